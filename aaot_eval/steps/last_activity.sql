-- reads: stays, attendances, caseload
-- makes: last_activity
-- rule: the latest day on which anything of a person begins: an admission, an attendance, a referral
-- decision: docs/decisions/0019-death.md
SELECT person, max(day) AS day
FROM (
    SELECT person, admission_date AS day FROM stays
    UNION ALL
    SELECT person, arrival_date AS day FROM attendances
    UNION ALL
    SELECT person, referred AS day FROM caseload
) AS activity
GROUP BY person
