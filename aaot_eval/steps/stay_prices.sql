-- reads: stay_prices_found
-- makes: stay_prices
-- rule: the price of every stay. Where unpriced stays are listed, each takes the mean price of the priced stays of its kind
--       (listed = 1), so that it never costs 0; else the run has stopped before
-- decision: docs/decisions/0067-unpriced.md
SELECT f.stay, f.item, coalesce(f.price, CASE WHEN {listed} = 1 THEN m.price END) AS price
FROM stay_prices_found AS f
LEFT JOIN (
    SELECT item, CAST(sum(price) / count(price) AS DECIMAL(18, 6)) AS price
    FROM stay_prices_found
    WHERE price IS NOT NULL
    GROUP BY item
) AS m ON m.item = f.item
