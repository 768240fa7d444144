-- reads: counted_stays, stay_prices
-- makes: site_costs
-- rule: the price of the stays that count for the primary outcome, by site and month of admission
-- decision: docs/decisions/0022-prices.md
SELECT c.site, c.t, sum(p.price) AS cost
FROM counted_stays AS c
JOIN stay_prices AS p ON p.stay = c.stay
WHERE c.{primary} > 0
GROUP BY c.site, c.t
