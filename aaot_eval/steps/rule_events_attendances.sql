-- reads: rule_events, counted_attendances
-- makes: rule_events
-- rule: and the attendances of people with a key
-- decision: docs/decisions/0058-entry-rules.md
SELECT person, t, kind, n FROM rule_events
UNION ALL
SELECT person, t, 'ed_attendances' AS kind, count(*) AS n FROM counted_attendances WHERE person >= 0 GROUP BY person, t
