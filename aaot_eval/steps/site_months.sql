-- reads: counted_stays
-- makes: site_months
-- rule: counts of stays by site and month of admission, and the distinct people behind each count
-- decision: docs/decisions/0013-stay.md
SELECT site, t, count(*) AS stays,
    sum(alcohol_specific_emergency) AS alcohol_specific_emergency,
    count(DISTINCT CASE WHEN alcohol_specific_emergency = 1 THEN person END) AS alcohol_specific_emergency_persons,
    sum(non_alcohol_emergency) AS non_alcohol_emergency,
    count(DISTINCT CASE WHEN non_alcohol_emergency = 1 THEN person END) AS non_alcohol_emergency_persons,
    sum(emergency) AS emergency,
    count(DISTINCT CASE WHEN emergency = 1 THEN person END) AS emergency_persons,
    sum(bed_days) AS bed_days,
    count(DISTINCT CASE WHEN bed_days > 0 THEN person END) AS bed_days_persons
FROM counted_stays
GROUP BY site, t
