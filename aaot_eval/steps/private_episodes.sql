-- reads: episodes_judged, episodes_read
-- makes: episodes_judged
-- rule: an episode of a private patient (administrative category 02) leaves, when the study says so
-- values: loss = unfinished, no_person, no_provider, no_admission_date, no_episode_date, no_key, regular_attender, no_patient_class, private, kept
-- decision: docs/decisions/0142-private-patients.md
SELECT e.row, e.load, e.person, e.episode_key, e.provider, e.treatment_site, e.admission_date, e.episode_start, e.episode_end,
    e.discharge_date, e.episode_order, e.patient_class, e.admission_method, e.admission_source, e.discharge_method,
    e.discharge_destination, e.sex, e.age, e.deprivation, e.uncoded, e.codes,
    CASE WHEN p.row IS NOT NULL AND e.loss = 'kept' THEN 'private' ELSE e.loss END AS loss
FROM episodes_judged AS e
LEFT JOIN (SELECT row FROM episodes_read WHERE admin_category IN ({private})) AS p ON p.row = e.row
