-- reads: leg_prices, stays
-- makes: stay_prices_found
-- rule: basis tariff: a stay costs what its spells cost, each once; it has no price when one of them has none
-- decision: docs/decisions/0066-price-basis.md
SELECT l.stay, s.person,
    CASE WHEN s.day_case = 1 THEN 'day_case' WHEN s.emergency = 1 THEN 'emergency_stay' ELSE 'elective_stay' END AS item,
    CASE WHEN count(l.price) = count(*) THEN sum(l.price) END AS price
FROM leg_prices AS l
JOIN stays AS s ON s.stay = l.stay
GROUP BY l.stay, s.person, s.day_case, s.emergency
