-- reads: stay_legs, hrg_prices
-- makes: leg_prices
-- rule: the price of a spell is that of its HRG at its point of delivery; an emergency spell of 0 or 1 nights takes the short
--       price where there is one. Nights beyond the trim point cost the HRG's excess day. A day case has the price of a day
--       case or none: never that of an inpatient spell
-- decision: docs/decisions/0066-price-basis.md
SELECT l.stay, l.spell, l.person, l.hrg, l.delivery, CAST(coalesce(q.value, p.value) + CASE
    WHEN q.value IS NULL AND p.trim_days IS NOT NULL AND p.excess_day IS NOT NULL AND l.nights > p.trim_days
        THEN (l.nights - p.trim_days) * p.excess_day ELSE 0 END AS DECIMAL(18, 6)) AS price
FROM stay_legs AS l
LEFT JOIN hrg_prices AS p ON p.hrg = l.hrg AND p.delivery = l.delivery
LEFT JOIN hrg_prices AS q ON q.hrg = l.hrg AND q.delivery = 'emergency_short' AND l.delivery = 'emergency' AND l.nights <= 1
