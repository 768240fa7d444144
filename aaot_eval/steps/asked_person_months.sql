-- reads: asked_events, panel_people
-- makes: asked_person_months
-- rule: an outcome that was asked for, by person of the panel and month
-- decision: docs/decisions/0056-further-outcomes.md
SELECT e.person, e.t, sum(e.amount) AS amount
FROM asked_events AS e
JOIN panel_people AS p ON p.person = e.person
GROUP BY e.person, e.t
