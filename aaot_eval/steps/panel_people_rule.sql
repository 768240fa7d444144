-- reads: panel_people, rule_events, rule_terms
-- makes: panel_people
-- rule: everybody of the panel, and everybody who in the whole window has enough of any kind of event that the entry rule counts:
--       nobody else can meet it
-- decision: docs/decisions/0058-entry-rules.md
SELECT row_number() OVER (ORDER BY person) - 1 AS place, person
FROM (
    SELECT person FROM panel_people
    UNION
    SELECT e.person
    FROM (SELECT person, kind, sum(n) AS n FROM rule_events GROUP BY person, kind) AS e
    JOIN rule_terms AS r ON r.kind = e.kind
    WHERE e.n >= r.least
) AS wanted
