-- reads: episodes
-- makes: episodes_ordered
-- rule: the order of one person's episodes with one provider: start, end, order in the spell, direction of a transfer on the
--       same day (out before in), key. The key ends every tie, so that the order of rows in the file cannot matter
-- decision: docs/decisions/0012-spell.md
SELECT row, person, provider, admission_date, episode_start, episode_end, discharge_method,
    row_number() OVER (
        PARTITION BY person, provider ORDER BY episode_start, episode_end, episode_order, transit, episode_key
    ) AS place
FROM (
    SELECT e.row, e.person, e.provider, e.admission_date, e.episode_start, e.episode_end, e.episode_order, e.episode_key,
        coalesce(e.discharge_method, '9') AS discharge_method,
        CASE
            WHEN coalesce(e.discharge_destination, '') IN ('51', '52', '53') THEN
                CASE WHEN coalesce(e.admission_source, '') IN ('51', '52', '53')
                    OR coalesce(e.admission_method, '') IN ('2B', '81') THEN 2 ELSE 1 END
            WHEN coalesce(e.admission_source, '') IN ('51', '52', '53')
                OR coalesce(e.admission_method, '') IN ('2B', '81') THEN 3
            ELSE 0
        END AS transit
    FROM episodes AS e
) AS directed
