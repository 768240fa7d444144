-- reads: counted_attendances, panel_people
-- makes: person_attendances
-- rule: attendances by person and month of arrival; only months with one
-- decision: docs/decisions/0021-attendance.md
SELECT c.person, c.t, count(*) AS ed_attendances
FROM counted_attendances AS c
JOIN panel_people AS p ON p.person = c.person
GROUP BY c.person, c.t
