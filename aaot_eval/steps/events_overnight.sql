-- reads: counted_stays
-- makes: asked_events
-- rule: the stays that count for an outcome and lasted a night or more: what is left when same-day emergency care moves to
--       another data set
-- decision: docs/decisions/0054-same-day-care.md
SELECT person, site, t, 1.0 AS amount
FROM counted_stays
WHERE {measure} = 1 AND bed_days > 0
