-- reads: counted_stays, panel_people, units
-- makes: homes
-- rule: the home hospital is the unit with most admissions of the person in the first 12 months of the window, the earlier
--       first admission among equals; without an admission in those months, the unit of the first admission after them
-- decision: docs/decisions/0017-home_hospital.md
SELECT person, site
FROM (
    SELECT person, site, row_number() OVER (PARTITION BY person ORDER BY in_first_year DESC, since, site) AS place
    FROM (
        SELECT c.person, c.site, sum(CASE WHEN c.t < 12 THEN 1 ELSE 0 END) AS in_first_year, min(c.admission_date) AS since
        FROM counted_stays AS c
        JOIN panel_people AS p ON p.person = c.person
        JOIN units AS u ON u.site = c.site
        GROUP BY c.person, c.site
    ) AS visited
) AS ranked
WHERE place = 1
