-- reads: readmissions
-- makes: asked_events
-- rule: readmissions in the month in which they begin, at the site that readmits
-- decision: docs/decisions/0056-further-outcomes.md
SELECT person, site, year(admission_date) * 12 + month(admission_date) - 1 - {first_clock} AS t, 1.0 AS amount
FROM readmissions
WHERE admission_date >= {first_day} AND admission_date <= {last_day}
