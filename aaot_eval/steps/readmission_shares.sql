-- reads: stays_in_turn, readmissions
-- makes: readmission_shares
-- rule: of the discharges of a site in a month, those followed by a readmission anywhere; only discharges whose whole window lies
--       inside the data
-- decision: docs/decisions/0056-further-outcomes.md
SELECT i.site, year(i.end_date) * 12 + month(i.end_date) - 1 - {first_clock} AS t, count(*) AS discharges,
    sum(CASE WHEN r.index_stay IS NULL THEN 0 ELSE 1 END) AS readmitted, count(DISTINCT i.person) AS people
FROM stays_in_turn AS i
LEFT JOIN (SELECT DISTINCT index_stay FROM readmissions) AS r ON r.index_stay = i.stay
WHERE i.indexed = 1 AND i.end_date >= {first_day} AND i.end_date <= {last_day}
GROUP BY i.site, year(i.end_date) * 12 + month(i.end_date) - 1 - {first_clock}
