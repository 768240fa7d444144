-- reads: priced_care
-- makes: person_costs
-- rule: the price of all care by person and month; only months with some
-- decision: docs/decisions/0022-prices.md
SELECT person, t, sum(price) AS hospital_cost
FROM priced_care
GROUP BY person, t
