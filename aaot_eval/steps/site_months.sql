-- reads: counted_stays
-- makes: site_months
-- rule: counts of stays by site and month of admission, and the distinct people behind each count. People are found first, for a
--       count of them and their stays at once needs all of them in memory
-- decision: docs/decisions/0013-stay.md
SELECT site, t, CAST(sum(stays) AS BIGINT) AS stays,
    CAST(sum(alcohol_specific_emergency) AS BIGINT) AS alcohol_specific_emergency,
    count(CASE WHEN alcohol_specific_emergency > 0 THEN 1 END) AS alcohol_specific_emergency_persons,
    CAST(sum(non_alcohol_emergency) AS BIGINT) AS non_alcohol_emergency,
    count(CASE WHEN non_alcohol_emergency > 0 THEN 1 END) AS non_alcohol_emergency_persons,
    CAST(sum(emergency) AS BIGINT) AS emergency,
    count(CASE WHEN emergency > 0 THEN 1 END) AS emergency_persons,
    CAST(sum(bed_days) AS BIGINT) AS bed_days,
    count(CASE WHEN bed_days > 0 THEN 1 END) AS bed_days_persons
FROM (
    SELECT person, t, site, count(*) AS stays, sum(alcohol_specific_emergency) AS alcohol_specific_emergency,
        sum(non_alcohol_emergency) AS non_alcohol_emergency, sum(emergency) AS emergency, sum(bed_days) AS bed_days
    FROM counted_stays
    GROUP BY person, t, site
) AS people
GROUP BY site, t
