-- reads: episodes_read, episodes_judged, episodes_repeated, episodes_copied
-- makes: episodes
-- rule: what is left after the losses, each episode once; ages 7001 to 7007 are bands of the first year
-- decision: docs/decisions/0011-episode.md
SELECT e.row, e.load, e.person, e.episode_key, e.provider, d.treatment_site, e.admission_date, e.episode_start, e.episode_end,
    e.discharge_date, e.episode_order, d.patient_class, d.admission_method, d.admission_source, d.discharge_method,
    d.discharge_destination, d.sex, CASE WHEN d.age BETWEEN 7001 AND 7007 THEN 0 WHEN d.age <= 120 THEN d.age END AS age,
    d.deprivation, e.uncoded
FROM episodes_judged AS e
JOIN episodes_read AS d ON d.row = e.row
LEFT JOIN (SELECT row FROM episodes_repeated UNION SELECT row FROM episodes_copied) AS t ON t.row = e.row
WHERE e.loss = 'kept' AND t.row IS NULL
