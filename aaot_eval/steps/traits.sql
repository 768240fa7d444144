-- reads: counted_stays, panel_people, episodes
-- makes: traits
-- rule: sex and age as recorded at the first admission in the window; deprivation fifth at the first episode that has it
-- decision: docs/decisions/0117-deprivation.md
SELECT r.person, r.sex, r.age, d.deprivation
FROM (
    SELECT c.person, c.sex, c.age, row_number() OVER (
        PARTITION BY c.person ORDER BY c.admission_date, c.end_date, c.provider, c.stay_key
    ) AS place
    FROM counted_stays AS c
    JOIN panel_people AS p ON p.person = c.person
) AS r
LEFT JOIN (
    SELECT e.person, e.deprivation, row_number() OVER (
        PARTITION BY e.person
        ORDER BY e.admission_date, e.episode_start, e.provider, e.episode_key
    ) AS place
    FROM episodes AS e
    JOIN panel_people AS p ON p.person = e.person
    WHERE e.deprivation IS NOT NULL
) AS d ON d.person = r.person AND d.place = 1
WHERE r.place = 1
