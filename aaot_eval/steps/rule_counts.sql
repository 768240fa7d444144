-- reads: rule_events, panel_people
-- makes: rule_counts
-- rule: the events of the entry rule of the people of the panel
-- decision: docs/decisions/0058-entry-rules.md
SELECT e.person, e.t, e.kind, sum(e.n) AS n
FROM rule_events AS e
JOIN panel_people AS p ON p.person = e.person
GROUP BY e.person, e.t, e.kind
