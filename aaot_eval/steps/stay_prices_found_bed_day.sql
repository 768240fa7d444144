-- reads: stays, prices
-- makes: stay_prices_found
-- rule: basis bed_day: every night costs the same; a stay without a night counts as one day; a planned day case has its own
--       price. A stay whose item has no price has none
-- decision: docs/decisions/0066-price-basis.md
SELECT s.stay, s.person, s.item,
    CAST(p.value * CASE WHEN s.item = 'day_case' OR s.nights < 1 THEN 1 ELSE s.nights END AS DECIMAL(18, 6)) AS price
FROM (
    SELECT stay, person, nights,
        CASE
            WHEN day_case = 1 THEN 'day_case'
            WHEN emergency = 0 THEN 'elective_bed_day'
            ELSE 'emergency_bed_day'
        END AS item
    FROM stays
) AS s
LEFT JOIN prices AS p ON p.item = s.item
