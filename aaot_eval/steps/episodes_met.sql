-- reads: episodes
-- makes: episodes_met
-- view of: episodes
-- rule: each episode beside the one before it of the same person with the same provider, in the order: start, end, order in
--       the spell, direction of a transfer on the same day (out before in), key. The key ends every tie, so that the order of
--       rows in the file cannot matter
-- decision: docs/decisions/0012-spell.md
SELECT row, person, provider, admission_date, episode_start, episode_order,
    CAST(row_number() OVER w AS INTEGER) AS place,
    lag(admission_date) OVER w AS before_admission,
    lag(episode_start) OVER w AS before_start,
    lag(episode_end) OVER w AS before_end,
    lag(discharge_method) OVER w AS before_method
FROM (
    SELECT row, person, provider, admission_date, episode_start, episode_end, episode_order, episode_key, discharge_method,
        CASE
            WHEN discharge_destination IN ('51', '52', '53') THEN
                CASE WHEN admission_source IN ('51', '52', '53') OR admission_method IN ('2B', '81') THEN 2 ELSE 1 END
            WHEN admission_source IN ('51', '52', '53') OR admission_method IN ('2B', '81') THEN 3
            ELSE 0
        END AS transit
    FROM episodes
) AS directed
WINDOW w AS (PARTITION BY person, provider ORDER BY episode_start, episode_end, episode_order, transit, episode_key)
