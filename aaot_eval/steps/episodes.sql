-- reads: episodes_read, episodes_judged, episode_losses
-- makes: episodes
-- rule: what is left after the losses, each episode once; ages 7001 to 7007 are bands of the first year
-- decision: docs/decisions/0011-episode.md
SELECT e.row, e.load, e.person, e.episode_key, e.provider, d.treatment_site, e.admission_date, e.episode_start, e.episode_end,
    e.discharge_date, e.episode_order, d.patient_class, d.admission_method, d.admission_source, d.discharge_method,
    d.discharge_destination, d.sex, CASE WHEN d.age BETWEEN 7001 AND 7007 THEN 0 WHEN d.age <= 120 THEN d.age END AS age,
    e.uncoded
FROM episodes_judged AS e
JOIN episode_losses AS l ON l.row = e.row
JOIN episodes_read AS d ON d.row = e.row
WHERE l.reason = 'kept'
