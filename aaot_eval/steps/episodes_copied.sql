-- reads: episodes_judged, episodes_repeated
-- makes: episodes_copied
-- rule: the same person, provider, order and dates under another key is the same episode sent again: the coded row wins,
--       then the last load, then the later key. Looked for among people with two episodes that begin on one day
-- decision: docs/decisions/0011-episode.md
SELECT row, person
FROM (
    SELECT e.row, e.person, row_number() OVER (
        PARTITION BY e.person, e.provider, e.admission_date, e.episode_start, e.episode_end, e.episode_order,
            coalesce(e.discharge_date, DATE '1800-01-01')
        ORDER BY e.uncoded, e.load DESC, e.episode_key DESC
    ) AS place
    FROM episodes_judged AS e
    LEFT JOIN episodes_repeated AS r ON r.row = e.row
    JOIN (
        SELECT person, episode_start
        FROM episodes_judged
        WHERE loss = 'kept'
        GROUP BY person, episode_start
        HAVING count(*) > 1
    ) AS twice ON twice.person = e.person AND twice.episode_start = e.episode_start
    WHERE e.loss = 'kept' AND r.row IS NULL
) AS ranked
WHERE place > 1
