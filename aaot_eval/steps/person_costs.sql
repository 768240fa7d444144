-- reads: counted_stays, stay_prices, panel_people, counted_attendances
-- makes: person_costs
-- rule: the price of every stay and attendance that begins in the month, by person; only months with one
-- decision: docs/decisions/0022-prices.md
SELECT person, t, sum(price) AS hospital_cost
FROM (
    SELECT c.person, c.t, p.price
    FROM counted_stays AS c
    JOIN stay_prices AS p ON p.stay = c.stay
    JOIN panel_people AS w ON w.person = c.person
    UNION ALL
    SELECT a.person, a.t, CAST({attendance_price} AS DECIMAL(18, 6)) AS price
    FROM counted_attendances AS a
    JOIN panel_people AS w ON w.person = a.person
) AS priced
GROUP BY person, t
