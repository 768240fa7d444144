-- reads: stays, attributable_episodes
-- makes: asked_events
-- rule: each stay once, with the fraction of its first episode, in the month of admission
-- decision: docs/decisions/0055-attributable-fractions.md
SELECT s.person, s.site, year(s.admission_date) * 12 + month(s.admission_date) - 1 - {first_clock} AS t,
    CAST(a.{measure} AS DECIMAL(18, 6)) AS amount
FROM stays AS s
JOIN attributable_episodes AS a ON a.row = s.stay
WHERE s.admission_date >= {first_day} AND s.admission_date <= {last_day} AND a.{measure} > 0
