-- reads: stays, attendances, caseload, deaths_read, persons
-- makes: last_activity
-- rule: the latest day on which anything of a person begins: an admission, an attendance, a referral. Of people of whom a death is told
--       alone, for nobody else is asked about
-- decision: docs/decisions/0019-death.md
SELECT a.person, max(a.day) AS day
FROM (
    SELECT person, admission_date AS day FROM stays
    UNION ALL
    SELECT person, arrival_date AS day FROM attendances
    UNION ALL
    SELECT person, referred AS day FROM caseload
) AS a
JOIN (
    SELECT person FROM stays WHERE died = 1
    UNION
    SELECT p.person FROM deaths_read AS r JOIN persons AS p ON p.token = r.person
) AS told ON told.person = a.person
GROUP BY a.person
