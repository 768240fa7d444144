-- reads: counted_stays, panel_people
-- makes: traits
-- rule: sex and age as recorded at the first admission in the window
-- decision: docs/decisions/0017-home_hospital.md
SELECT person, sex, age
FROM (
    SELECT c.person, c.sex, c.age, row_number() OVER (PARTITION BY c.person ORDER BY c.admission_date, c.stay_no) AS place
    FROM counted_stays AS c
    JOIN panel_people AS p ON p.person = c.person
) AS ranked
WHERE place = 1
