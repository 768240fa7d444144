-- reads: episodes_read, attendances_read, caseload_read, deaths_read, activity_read
-- makes: persons
-- rule: every person gets a dense number in the order of the keys; the key stays in this side table and nowhere else
-- decision: docs/decisions/0010-persons.md
SELECT CAST(row_number() OVER (ORDER BY token) - 1 AS INTEGER) AS person, token
FROM (
    SELECT person AS token FROM episodes_read WHERE person IS NOT NULL
    UNION
    SELECT person AS token FROM attendances_read WHERE person IS NOT NULL
    UNION
    SELECT person AS token FROM caseload_read WHERE person IS NOT NULL
    UNION
    SELECT person AS token FROM deaths_read WHERE person IS NOT NULL
    UNION
    SELECT person AS token FROM activity_read WHERE person IS NOT NULL
) AS keys
