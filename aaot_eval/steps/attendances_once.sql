-- reads: attendances, attendances_copied
-- makes: attendances
-- rule: what is left when an attendance that was sent under two keys is one
-- decision: docs/decisions/0141-repeated-attendances.md
SELECT a.attendance, a.row, a.person, a.site, a.arrival_date, a.department
FROM attendances AS a
LEFT JOIN attendances_copied AS c ON c.attendance = a.attendance
WHERE c.attendance IS NULL
