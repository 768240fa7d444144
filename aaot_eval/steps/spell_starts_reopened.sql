-- reads: spell_starts, episodes_reopened
-- makes: spell_starts
-- rule: an episode reopened under the new code of its provider belongs to the spell before it, under every rule
-- decision: docs/decisions/0053-provider-changes.md
SELECT s.row, s.person, s.provider, s.place,
    CAST(CASE WHEN o.row IS NOT NULL AND row_number() OVER (PARTITION BY s.person, s.provider ORDER BY s.place) > 1 THEN 0
        ELSE s.starts END AS SMALLINT) AS starts,
    s.long_leave
FROM spell_starts AS s
LEFT JOIN episodes_reopened AS o ON o.row = s.row
