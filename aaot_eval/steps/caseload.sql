-- reads: caseload_read, persons
-- makes: caseload
-- rule: each person once, at the first referral; a second referral is counted, not used
-- decision: docs/decisions/0020-caseload.md
SELECT person, site, referred, started, ended, arm
FROM (
    SELECT p.person, c.site, c.referred, c.started, c.ended, c.arm,
        row_number() OVER (
            PARTITION BY p.person ORDER BY c.referred, c.site, coalesce(c.ended, DATE '9999-12-31')
        ) AS place
    FROM caseload_read AS c
    JOIN persons AS p ON p.token = c.person
) AS ranked
WHERE place = 1
