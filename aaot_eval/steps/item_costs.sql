-- reads: priced_care, caseload
-- makes: item_costs
-- rule: quantity and price of care by person on the caseload, month and item; only months with some
-- decision: docs/decisions/0068-other-activity.md
SELECT c.person, c.t, c.item, sum(c.quantity) AS quantity, sum(c.price) AS cost
FROM priced_care AS c
JOIN (SELECT DISTINCT person FROM caseload) AS r ON r.person = c.person
GROUP BY c.person, c.t, c.item
