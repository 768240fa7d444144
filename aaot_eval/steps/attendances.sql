-- reads: attendances_read, persons, sites
-- makes: attendances
-- wide: a row holds a whole attendance, and many steps read it
-- rule: unplanned attendances (every category but 2, planned follow-up), each key once, the last load first; none without a key
-- decision: docs/decisions/0021-attendance.md
SELECT row_number() OVER (ORDER BY attendance_key, arrival_date, person) AS attendance, row, person, site, arrival_date, department
FROM (
    SELECT a.row, coalesce(p.person, -1) AS person, a.attendance_key, a.arrival_date, a.department,
        coalesce(t.site, v.site, CASE
            WHEN substr(a.provider, 2, 1) BETWEEN '0' AND '9' AND substr(a.provider, 3, 1) BETWEEN '0' AND '9'
                AND substr(a.provider, 4, 1) BETWEEN '0' AND '9' AND substr(a.provider, 5, 1) BETWEEN 'A' AND 'Z' THEN a.provider
            WHEN length(a.provider) = 5 THEN substr(a.provider, 1, 3)
            ELSE a.provider
        END) AS site,
        row_number() OVER (
            PARTITION BY a.attendance_key, coalesce(p.person, -1)
            ORDER BY a.load DESC, a.arrival_date, a.provider, coalesce(a.treatment_site, '')
        ) AS place
    FROM attendances_read AS a
    LEFT JOIN persons AS p ON p.token = a.person
    LEFT JOIN sites AS t ON t.site = a.treatment_site
    LEFT JOIN sites AS v ON v.site = a.provider
    WHERE a.attendance_key IS NOT NULL AND a.arrival_date IS NOT NULL AND a.provider IS NOT NULL AND coalesce(a.category, '') <> '2'
) AS ranked
WHERE place = 1
