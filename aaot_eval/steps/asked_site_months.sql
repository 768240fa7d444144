-- reads: asked_events
-- makes: asked_site_months
-- rule: an outcome that was asked for, by site and month, with the distinct people behind it; an event without a person key
--       counts as one more person
-- decision: docs/decisions/0056-further-outcomes.md
SELECT site, t, sum(amount) AS amount,
    count(DISTINCT CASE WHEN person >= 0 THEN person END) + sum(CASE WHEN person < 0 THEN 1 ELSE 0 END) AS people
FROM asked_events
GROUP BY site, t
