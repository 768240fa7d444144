-- reads: panel_people, one_off_people
-- makes: panel_people
-- rule: nobody is followed under a one-off person key; its admissions count at their site
-- decision: docs/decisions/0052-one-off-ids.md
SELECT row_number() OVER (ORDER BY p.person) - 1 AS place, p.person
FROM panel_people AS p
LEFT JOIN one_off_people AS o ON o.person = p.person
WHERE o.person IS NULL
