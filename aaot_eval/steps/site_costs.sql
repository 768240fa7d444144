-- reads: counted_stays, stay_shares, stay_prices
-- makes: site_costs
-- rule: the price of the stays that count for the primary outcome, by site and month
-- decision: docs/decisions/0022-prices.md, docs/decisions/0069-when-a-stay-costs.md
SELECT c.site, h.t, sum(CAST(h.share * p.price AS DECIMAL(18, 6))) AS cost
FROM counted_stays AS c
JOIN stay_shares AS h ON h.stay = c.stay
JOIN stay_prices AS p ON p.stay = c.stay
WHERE c.{primary} > 0
GROUP BY c.site, h.t
