-- reads: spell_starts
-- makes: spell_members
-- rule: the episodes of every spell that has more than one: its spell by the row of its first episode, the number of that episode
--       within person and provider, and whether it is the first or the last. Any other episode is a spell by itself
-- decision: docs/decisions/0012-spell.md, docs/decisions/0104-spells-of-one-episode.md
SELECT row, max(CASE WHEN starts = 1 THEN row END) OVER (PARTITION BY person, provider, spell_no) AS spell, person, provider,
    spell_no, starts AS is_first, is_last
FROM (
    SELECT row, person, provider, starts, is_last,
        max(CASE WHEN starts = 1 THEN place END) OVER (
            PARTITION BY person, provider ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS spell_no
    FROM (
        SELECT s.row, s.person, s.provider, s.place, s.starts, CAST(CASE WHEN f.place IS NULL THEN 1 ELSE 0 END AS SMALLINT) AS is_last
        FROM spell_starts AS s
        LEFT JOIN (SELECT person, provider, place - 1 AS place FROM spell_starts WHERE starts = 0) AS f
            ON f.person = s.person AND f.provider = s.provider AND f.place = s.place
        WHERE s.starts = 0 OR f.place IS NOT NULL
    ) AS several
) AS numbered
