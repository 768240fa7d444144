-- reads: episodes_judged
-- makes: episodes_repeated
-- rule: the same key of the same person twice is one episode: the last load wins, then the fuller row, so that neither the
--       order of rows nor loading a file twice changes a count
-- decision: docs/decisions/episode.md
SELECT row
FROM (
    SELECT e.row, row_number() OVER (
        PARTITION BY e.person, e.episode_key
        ORDER BY e.load DESC, coalesce(e.discharge_date, DATE '1800-01-01') DESC, e.episode_end DESC, e.episode_start DESC,
            e.admission_date DESC, e.provider, coalesce(e.admission_method, ''), coalesce(e.discharge_method, ''),
            coalesce(e.discharge_destination, ''), coalesce(e.treatment_site, ''), e.episode_order, e.uncoded, e.row
    ) AS place
    FROM episodes_judged AS e
    JOIN (
        SELECT person, episode_key
        FROM episodes_judged
        WHERE loss = 'kept'
        GROUP BY person, episode_key
        HAVING count(*) > 1
    ) AS twice ON twice.person = e.person AND twice.episode_key = e.episode_key
    WHERE e.loss = 'kept'
) AS ranked
WHERE place > 1
