-- reads: counted_stays, stays
-- makes: asked_events
-- rule: alcohol-specific stays of any kind, emergency or planned
-- decision: docs/decisions/0056-further-outcomes.md
SELECT c.person, c.site, c.t, 1.0 AS amount
FROM counted_stays AS c
JOIN stays AS s ON s.stay = c.stay
WHERE s.alcohol_specific = 1
