-- reads: attendances
-- makes: counted_attendances
-- rule: attendances that begin in the window, with their month as a number from 0
-- decision: docs/decisions/0021-attendance.md
SELECT attendance, person, site, year(arrival_date) * 12 + month(arrival_date) - 1 - {first_clock} AS t
FROM attendances
WHERE arrival_date >= {first_day} AND arrival_date <= {last_day}
