-- reads: stay_starts
-- makes: stay_members
-- rule: the spells of every stay that has more than one: its stay by its first spell, and whether it is the first or the last. Any
--       other spell is a stay by itself
-- decision: docs/decisions/0013-stay.md, docs/decisions/0104-spells-of-one-episode.md
SELECT spell, max(CASE WHEN starts = 1 THEN spell END) OVER (PARTITION BY person, first_place) AS stay, person,
    starts AS is_first, is_last
FROM (
    SELECT spell, person, starts, is_last,
        max(CASE WHEN starts = 1 THEN place END) OVER (
            PARTITION BY person ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS first_place
    FROM (
        SELECT s.spell, s.person, s.place, s.starts, CAST(CASE WHEN f.place IS NULL THEN 1 ELSE 0 END AS SMALLINT) AS is_last
        FROM stay_starts AS s
        LEFT JOIN (SELECT person, place - 1 AS place FROM stay_starts WHERE starts = 0) AS f
            ON f.person = s.person AND f.place = s.place
        WHERE s.starts = 0 OR f.place IS NOT NULL
    ) AS several
) AS numbered
