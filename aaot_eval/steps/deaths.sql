-- reads: deaths_read, persons, stays, last_activity
-- makes: deaths
-- rule: a death comes from the deaths table (the earliest date of the person), else from a stay that ended in death; a date
--       with an admission or attendance after it is a wrong link: it is kept here and marked as not used
--       and so is a link that its source marks as not to be used (it is not kept)
-- decision: docs/decisions/0019-death.md
SELECT d.person, d.death_date, CASE WHEN a.day > d.death_date THEN 0 ELSE 1 END AS used
FROM (
    SELECT person, coalesce(min(registered), min(in_hospital)) AS death_date
    FROM (
        SELECT p.person, coalesce(r.death_date, r.registered) AS registered, CAST(NULL AS DATE) AS in_hospital
        FROM deaths_read AS r
        JOIN persons AS p ON p.token = r.person
        WHERE coalesce(r.link_used, '1') <> '0'
        UNION ALL
        SELECT person, CAST(NULL AS DATE) AS registered, end_date AS in_hospital FROM stays WHERE died = 1
    ) AS said
    GROUP BY person
) AS d
LEFT JOIN last_activity AS a ON a.person = d.person
WHERE d.death_date IS NOT NULL
