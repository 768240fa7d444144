-- reads: spell_starts, one_off_people
-- makes: spell_starts
-- rule: every episode of a one-off person key is a spell of its own
-- decision: docs/decisions/0052-one-off-ids.md
SELECT s.row, s.person, s.provider, s.place, CAST(CASE WHEN o.person IS NULL THEN s.starts ELSE 1 END AS SMALLINT) AS starts,
    s.long_leave
FROM spell_starts AS s
LEFT JOIN one_off_people AS o ON o.person = s.person
