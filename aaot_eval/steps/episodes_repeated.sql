-- reads: episodes_judged, episodes_read
-- makes: episodes_repeated
-- rule: the same key of the same person twice is one episode: the last load wins, then the coded row, then the later dates,
--       then the text of the row, so that neither the order of rows nor loading a file twice changes a count
-- decision: docs/decisions/0011-episode.md
SELECT row, person, episode_key, admission_date
FROM (
    SELECT e.row, e.person, e.episode_key, e.admission_date, row_number() OVER (
        PARTITION BY e.person, e.episode_key
        ORDER BY e.load DESC, e.uncoded, coalesce(e.discharge_date, DATE '1800-01-01') DESC, e.episode_end DESC,
            e.episode_start DESC, e.admission_date DESC, e.provider, e.patient_class, e.episode_order,
            coalesce(e.admission_method, ''), coalesce(e.admission_source, ''), coalesce(e.discharge_method, ''),
            coalesce(e.discharge_destination, ''), coalesce(e.treatment_site, ''), coalesce(e.sex, ''), coalesce(e.age, -1),
            coalesce(d.diag_01, '') || ' ' || coalesce(d.diag_02, '') || ' ' || coalesce(d.diag_03, '') || ' ' ||
            coalesce(d.diag_04, '') || ' ' || coalesce(d.diag_05, '') || ' ' || coalesce(d.diag_06, '') || ' ' ||
            coalesce(d.diag_07, '') || ' ' || coalesce(d.diag_08, '') || ' ' || coalesce(d.diag_09, '') || ' ' ||
            coalesce(d.diag_10, '') || ' ' || coalesce(d.diag_11, '') || ' ' || coalesce(d.diag_12, '') || ' ' ||
            coalesce(d.diag_13, '') || ' ' || coalesce(d.diag_14, '') || ' ' || coalesce(d.diag_15, '') || ' ' ||
            coalesce(d.diag_16, '') || ' ' || coalesce(d.diag_17, '') || ' ' || coalesce(d.diag_18, '') || ' ' ||
            coalesce(d.diag_19, '') || ' ' || coalesce(d.diag_20, ''),
            e.row
    ) AS place
    FROM episodes_judged AS e
    JOIN episodes_read AS d ON d.row = e.row
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
