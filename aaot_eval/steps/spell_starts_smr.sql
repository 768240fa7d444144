-- reads: episodes, episodes_met, episodes_read
-- makes: spell_starts
-- rule: `smr`: the episodes of one continuous inpatient stay (the marker of the extract) that follow one another at one hospital.
--       Order: admission, discharge, admission code, discharge code, record key. Without a marker an episode stands alone
-- decision: docs/decisions/0051-scottish-stays.md
SELECT row, person, provider,
    CAST(row_number() OVER (PARTITION BY person, provider ORDER BY stay_begins, stay_number, in_stay, place) AS INTEGER) AS place,
    CAST(CASE WHEN stay_number IS NULL THEN 1
        WHEN lag(provider) OVER (PARTITION BY person, stay_number ORDER BY in_stay) = provider THEN 0
        ELSE 1 END AS SMALLINT) AS starts,
    long_leave
FROM (
    SELECT m.row, m.person, m.provider, m.place, r.stay_number,
        CAST(CASE WHEN m.admission_date = m.before_admission AND date_diff('day', m.before_end, m.episode_start) > {leave}
            THEN 1 ELSE 0 END AS SMALLINT) AS long_leave,
        CASE WHEN r.stay_number IS NULL THEN e.episode_start
            ELSE min(e.episode_start) OVER (PARTITION BY m.person, r.stay_number) END AS stay_begins,
        row_number() OVER (
            PARTITION BY m.person, r.stay_number
            ORDER BY e.episode_start, e.episode_end, coalesce(e.admission_method, ''), coalesce(e.discharge_method, ''),
                e.episode_key, m.row
        ) AS in_stay
    FROM episodes_met AS m
    JOIN episodes AS e ON e.row = m.row
    JOIN episodes_read AS r ON r.row = m.row
) AS ordered
