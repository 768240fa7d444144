-- reads: episodes, episodes_read
-- makes: private_months
-- rule: episodes of private patients (administrative category 02), by provider and month of admission
-- decision: docs/decisions/0142-private-patients.md
SELECT e.provider, year(e.admission_date) * 12 + month(e.admission_date) - 1 AS clock, count(*) AS n
FROM episodes AS e
JOIN (SELECT row FROM episodes_read WHERE admin_category IN ({private})) AS p ON p.row = e.row
GROUP BY e.provider, year(e.admission_date) * 12 + month(e.admission_date) - 1
