-- reads: counted_stays
-- makes: site_months
-- rule: counts of stays by site and month of admission, and the distinct people behind each count. People are found with one number
--       that says which counts they are behind, for a count of them and their stays at once needs all of them in memory, and only
--       among stays that are in one of the counts
-- decision: docs/decisions/0013-stay.md
SELECT s.site, s.t, s.stays, s.alcohol_specific_emergency, coalesce(p.alcohol_specific_emergency_persons, 0) AS alcohol_specific_emergency_persons,
    s.non_alcohol_emergency, coalesce(p.non_alcohol_emergency_persons, 0) AS non_alcohol_emergency_persons, s.emergency,
    coalesce(p.emergency_persons, 0) AS emergency_persons, s.bed_days, coalesce(p.bed_days_persons, 0) AS bed_days_persons
FROM (
    SELECT site, t, count(*) AS stays, CAST(sum(alcohol_specific_emergency) AS BIGINT) AS alcohol_specific_emergency,
        CAST(sum(non_alcohol_emergency) AS BIGINT) AS non_alcohol_emergency, CAST(sum(emergency) AS BIGINT) AS emergency,
        CAST(sum(bed_days) AS BIGINT) AS bed_days
    FROM counted_stays
    GROUP BY site, t
) AS s
LEFT JOIN (
    SELECT site, t, count(CASE WHEN (behind & 1) > 0 THEN 1 END) AS alcohol_specific_emergency_persons,
        count(CASE WHEN (behind & 2) > 0 THEN 1 END) AS non_alcohol_emergency_persons,
        count(CASE WHEN (behind & 4) > 0 THEN 1 END) AS emergency_persons,
        count(CASE WHEN (behind & 8) > 0 THEN 1 END) AS bed_days_persons
    FROM (
        SELECT person, t, site, bit_or(alcohol_specific_emergency + 2 * non_alcohol_emergency + 4 * emergency
            + CASE WHEN bed_days > 0 THEN 8 ELSE 0 END) AS behind
        FROM counted_stays
        WHERE emergency = 1 OR bed_days > 0
        GROUP BY person, t, site
    ) AS people
    GROUP BY site, t
) AS p ON p.site = s.site AND p.t = s.t
