-- reads: counted_attendances
-- makes: site_attendances
-- rule: attendances by site and month of arrival; an attendance without a person key counts as one more person
-- decision: docs/decisions/0021-attendance.md
SELECT site, t, count(*) AS ed_attendances,
    count(DISTINCT CASE WHEN person >= 0 THEN person END) + sum(CASE WHEN person < 0 THEN 1 ELSE 0 END) AS ed_attendances_persons
FROM counted_attendances
GROUP BY site, t
