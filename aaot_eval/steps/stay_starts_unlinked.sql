-- reads: stay_starts, one_off_people
-- makes: stay_starts
-- rule: every spell of a one-off person key is a stay of its own
-- decision: docs/decisions/0052-one-off-ids.md
SELECT s.spell, s.person, s.place, CAST(CASE WHEN o.person IS NULL THEN s.starts ELSE 1 END AS SMALLINT) AS starts,
    s.early
FROM stay_starts AS s
LEFT JOIN one_off_people AS o ON o.person = s.person
