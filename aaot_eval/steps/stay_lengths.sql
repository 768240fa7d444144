-- reads: counted_stays
-- makes: stay_lengths
-- rule: mean nights of the emergency stays of a site and month; the whole length of a stay belongs to its month
-- decision: docs/decisions/0056-further-outcomes.md
SELECT site, t, sum(bed_days) AS nights, count(*) AS stays, count(DISTINCT person) AS people
FROM counted_stays
WHERE emergency = 1
GROUP BY site, t
