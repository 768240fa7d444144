-- reads: deaths_read, persons, stays, last_activity
-- makes: deaths
-- rule: a death comes from the deaths table (the earliest date of the person), else from a stay that ended in death. A date with
--       an admission or attendance after it is a wrong link: the end of a stay that ended in death takes its place where nothing
--       comes after that, else it is kept here and marked as not used. A link that its source marks as not to be used is not kept
-- decision: docs/decisions/0019-death.md
SELECT person, death_date, CASE WHEN last_day > death_date THEN 0 ELSE 1 END AS used, contradicted
FROM (
    SELECT s.person, a.day AS last_day,
        CASE WHEN a.day > s.registered AND a.day <= s.in_hospital THEN s.in_hospital
            ELSE coalesce(s.registered, s.in_hospital) END AS death_date,
        CASE WHEN a.day > coalesce(s.registered, s.in_hospital) THEN 1 ELSE 0 END AS contradicted
    FROM (
        SELECT person, min(registered) AS registered, min(in_hospital) AS in_hospital
        FROM (
            SELECT p.person, coalesce(r.death_date, r.registered) AS registered, CAST(NULL AS DATE) AS in_hospital
            FROM deaths_read AS r
            JOIN persons AS p ON p.token = r.person
            WHERE coalesce(r.link_used, '1') <> '0'
            UNION ALL
            SELECT person, CAST(NULL AS DATE) AS registered, end_date AS in_hospital FROM stays WHERE died = 1
        ) AS said
        GROUP BY person
    ) AS s
    LEFT JOIN last_activity AS a ON a.person = s.person
) AS d
WHERE death_date IS NOT NULL
