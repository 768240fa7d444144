-- reads: stays, prices
-- makes: stay_prices_found
-- rule: bases bed_day_and_stay and marginal: a planned day case and a planned stay have one price each; an emergency stay is
--       short (0 or 1 night) or long (2 or more), plus each night over 10 where that has a price. A stay whose item has no
--       price has none: it never costs 0. Decimals, so that a sum does not depend on its order
-- decision: docs/decisions/0022-prices.md, docs/decisions/0066-price-basis.md
SELECT s.stay, s.person, s.item, CAST(p.value + CASE WHEN s.item = 'emergency_long_stay' AND s.nights > 10
    THEN (s.nights - 10) * {excess_day} ELSE 0 END AS DECIMAL(18, 6)) AS price
FROM (
    SELECT stay, person, nights,
        CASE
            WHEN day_case = 1 THEN 'day_case'
            WHEN emergency = 0 THEN 'elective_stay'
            WHEN nights <= 1 THEN 'emergency_short_stay'
            ELSE 'emergency_long_stay'
        END AS item
    FROM stays
) AS s
LEFT JOIN prices AS p ON p.item = s.item
