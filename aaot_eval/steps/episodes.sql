-- reads: episodes_judged, episodes_lost
-- makes: episodes
-- wide: a row holds a whole episode, and many steps read it
-- takes: episodes_judged without episodes_lost
-- rule: what is left after the losses, each episode once
-- decision: docs/decisions/0011-episode.md, docs/decisions/0149-taken-in-place.md
SELECT e.row, e.person, e.episode_key, e.provider, e.treatment_site, e.admission_date, e.episode_start, e.episode_end,
    e.discharge_date, e.episode_order, e.patient_class, e.admission_method, e.admission_source, e.discharge_method,
    e.discharge_destination, e.sex, e.age, e.deprivation, e.uncoded, e.codes
FROM episodes_judged AS e
LEFT JOIN episodes_lost AS l ON l.row = e.row
WHERE l.row IS NULL
