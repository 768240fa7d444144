-- reads: episodes_judged, episodes_repeated, episodes_copied
-- makes: episodes
-- rule: what is left after the losses, each episode once
-- decision: docs/decisions/episode.md
SELECT e.row, e.load, e.person, e.episode_key, e.provider, e.treatment_site, e.admission_date, e.episode_start, e.episode_end,
    e.discharge_date, e.episode_order, e.patient_class, e.admission_method, e.admission_source, e.discharge_method,
    e.discharge_destination, e.sex, e.age, e.uncoded
FROM episodes_judged AS e
LEFT JOIN episodes_repeated AS r ON r.row = e.row
LEFT JOIN episodes_copied AS c ON c.row = e.row
WHERE e.loss = 'kept' AND r.row IS NULL AND c.row IS NULL
