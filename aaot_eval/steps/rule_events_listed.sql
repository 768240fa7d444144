-- reads: rule_events, counted_stays, stay_codes
-- makes: rule_events
-- rule: and the stays with a code of the study's own list
-- decision: docs/decisions/0058-entry-rules.md
SELECT person, t, kind, n FROM rule_events
UNION ALL
SELECT c.person, c.t, 'listed' AS kind, count(*) AS n
FROM counted_stays AS c JOIN stay_codes AS k ON k.stay = c.stay WHERE k.list = 'listed' GROUP BY c.person, c.t
