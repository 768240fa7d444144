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
SELECT spell, person, provider, spell_key, treatment_site, admission_date,
    CASE WHEN end_date < admission_date THEN admission_date ELSE end_date END AS end_date,
    first_start, patient_class, admission_method, admission_source, discharge_method, discharge_destination,
    sex, age, alcohol_specific, episodes
FROM spell_spans
