-- reads: spell_members, spell_spans, episodes, alcohol_episodes
-- makes: spells
-- wide: a row holds a whole spell, and many steps read it
-- rule: admission fields from the first episode, discharge fields from the last; a missing discharge date is filled from the
--       other episodes of the spell, then from the last end; no spell ends before it starts. A spell goes by the row of its
--       first episode and has the key of that, which no other spell of the person has
-- decision: docs/decisions/0012-spell.md, docs/decisions/0104-spells-of-one-episode.md
SELECT e.row AS spell, e.person, e.provider, e.episode_key AS spell_key, e.treatment_site, e.admission_date,
    CASE WHEN coalesce(e.discharge_date, e.episode_end) < e.admission_date THEN e.admission_date
        ELSE coalesce(e.discharge_date, e.episode_end) END AS end_date,
    e.episode_start AS first_start, e.patient_class, e.admission_method, e.admission_source, e.discharge_method,
    e.discharge_destination, e.sex, e.age, CAST(CASE WHEN a.row IS NULL THEN 0 ELSE 1 END AS SMALLINT) AS alcohol_specific,
    CAST(1 AS INTEGER) AS episodes
FROM episodes AS e
LEFT JOIN spell_members AS m ON m.row = e.row
LEFT JOIN alcohol_episodes AS a ON a.row = e.row
WHERE m.row IS NULL
UNION ALL
SELECT s.spell, s.person, s.provider, f.episode_key AS spell_key, f.treatment_site, f.admission_date,
    CASE WHEN s.end_date < f.admission_date THEN f.admission_date ELSE s.end_date END AS end_date,
    s.first_start, f.patient_class, f.admission_method, f.admission_source, s.discharge_method, s.discharge_destination,
    f.sex, f.age, s.alcohol_specific, s.episodes
FROM spell_spans AS s
JOIN episodes AS f ON f.row = s.spell
