-- reads: spell_members, episodes, alcohol_episodes
-- makes: spell_spans
-- rule: of each spell of more than one episode its dates, how its first episode began and its last one ended, and whether any episode of
--       it is alcohol-specific; also how its episodes are numbered, and how many before the last have a date of discharge. A spell of
--       one episode is that episode: `spells` takes it as it is
-- decision: docs/decisions/0012-spell.md, docs/decisions/0104-spells-of-one-episode.md
SELECT m.spell, m.person, m.provider,
    max(CASE WHEN m.is_first = 1 THEN e.episode_key END) AS spell_key,
    max(CASE WHEN m.is_first = 1 THEN e.treatment_site END) AS treatment_site,
    max(CASE WHEN m.is_first = 1 THEN e.admission_date END) AS admission_date,
    max(CASE WHEN m.is_first = 1 THEN e.patient_class END) AS patient_class,
    max(CASE WHEN m.is_first = 1 THEN e.admission_method END) AS admission_method,
    max(CASE WHEN m.is_first = 1 THEN e.admission_source END) AS admission_source,
    max(CASE WHEN m.is_first = 1 THEN e.sex END) AS sex,
    max(CASE WHEN m.is_first = 1 THEN e.age END) AS age,
    min(e.episode_start) AS first_start,
    coalesce(max(CASE WHEN m.is_last = 1 THEN e.discharge_date END), max(e.discharge_date), max(e.episode_end)) AS end_date,
    max(CASE WHEN m.is_last = 1 THEN e.discharge_method END) AS discharge_method,
    max(CASE WHEN m.is_last = 1 THEN e.discharge_destination END) AS discharge_destination,
    CAST(max(CASE WHEN a.row IS NULL THEN 0 ELSE 1 END) AS SMALLINT) AS alcohol_specific,
    CAST(count(*) AS INTEGER) AS episodes,
    min(e.episode_order) AS lowest_order,
    max(e.episode_order) AS highest_order,
    count(CASE WHEN m.is_last = 0 AND e.discharge_date IS NOT NULL THEN 1 END) AS early_discharges
FROM spell_members AS m
JOIN episodes AS e ON e.row = m.row
LEFT JOIN alcohol_episodes AS a ON a.row = m.row
GROUP BY m.spell, m.person, m.provider
