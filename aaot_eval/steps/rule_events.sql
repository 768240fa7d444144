-- reads: counted_stays, stays
-- makes: rule_events
-- rule: what an entry rule can count, by person, month and kind; a stay counts under every kind that it is
-- decision: docs/decisions/0058-entry-rules.md
SELECT person, t, 'stays' AS kind, count(*) AS n FROM counted_stays GROUP BY person, t
UNION ALL
SELECT person, t, 'emergency' AS kind, count(*) AS n FROM counted_stays WHERE emergency = 1 GROUP BY person, t
UNION ALL
SELECT person, t, 'alcohol_specific_emergency' AS kind, count(*) AS n
FROM counted_stays WHERE alcohol_specific_emergency = 1 GROUP BY person, t
UNION ALL
SELECT c.person, c.t, 'alcohol_specific' AS kind, count(*) AS n
FROM counted_stays AS c JOIN stays AS s ON s.stay = c.stay WHERE s.alcohol_specific = 1 GROUP BY c.person, c.t
UNION ALL
SELECT person, t, 'bed_days' AS kind, sum(bed_days) AS n FROM counted_stays WHERE bed_days > 0 GROUP BY person, t
