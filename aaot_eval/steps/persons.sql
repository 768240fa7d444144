-- reads: episodes_read, attendances_read, caseload_read, deaths_read, activity_read
-- makes: persons
-- rule: every person gets a dense number in the order of the keys; the key stays in this side table and nowhere else.
--       `admitted` = 1 when any row of the admissions has the key
-- decision: docs/decisions/0010-persons.md
SELECT CAST(row_number() OVER (ORDER BY token) - 1 AS INTEGER) AS person, token, admitted
FROM (
    SELECT token, max(admitted) AS admitted
    FROM (
        SELECT person AS token, CAST(1 AS SMALLINT) AS admitted FROM episodes_read WHERE person IS NOT NULL
        UNION ALL
        SELECT person AS token, CAST(0 AS SMALLINT) AS admitted FROM attendances_read WHERE person IS NOT NULL
        UNION ALL
        SELECT person AS token, CAST(0 AS SMALLINT) AS admitted FROM caseload_read WHERE person IS NOT NULL
        UNION ALL
        SELECT person AS token, CAST(0 AS SMALLINT) AS admitted FROM deaths_read WHERE person IS NOT NULL
        UNION ALL
        SELECT person AS token, CAST(0 AS SMALLINT) AS admitted FROM activity_read WHERE person IS NOT NULL
    ) AS said
    GROUP BY token
) AS keys
