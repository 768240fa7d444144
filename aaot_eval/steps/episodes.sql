-- reads: episodes_judged, episodes_repeated, episodes_copied
-- makes: episodes
-- rule: what is left after the losses, each episode once; ages 7001 to 7007 are bands of the first year
-- decision: docs/decisions/0011-episode.md
SELECT e.row, e.load, e.person, e.episode_key, e.provider, e.treatment_site, e.admission_date, e.episode_start, e.episode_end,
    e.discharge_date, e.episode_order, e.patient_class, e.admission_method, e.admission_source, e.discharge_method,
    e.discharge_destination, e.sex, CASE WHEN e.age BETWEEN 7001 AND 7007 THEN 0 WHEN e.age BETWEEN 0 AND 120 THEN e.age END AS age,
    e.deprivation, e.uncoded
FROM episodes_judged AS e
LEFT JOIN (SELECT row FROM episodes_repeated UNION SELECT row FROM episodes_copied) AS t ON t.row = e.row
WHERE e.loss = 'kept' AND t.row IS NULL
