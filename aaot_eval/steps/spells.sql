-- reads: spell_members, spell_spans, episodes, alcohol_episodes
-- makes: spells
-- wide: a row holds a whole spell, and many steps read it
-- rule: admission fields from the first episode, discharge fields from the last; a missing discharge date is filled from the
--       other episodes of the spell, then from the last end; no spell ends before it starts. A spell goes by the row of its
--       first episode and has the key of that, which no other spell of the person has
-- decision: docs/decisions/0012-spell.md, docs/decisions/0104-spells-of-one-episode.md
SELECT f.spell, f.person, f.provider, f.spell_key, f.treatment_site, f.admission_date,
    CASE WHEN f.last_end < f.admission_date THEN f.admission_date ELSE f.last_end END AS end_date,
    f.first_start, f.patient_class, f.admission_method, f.admission_source, f.discharge_method, f.discharge_destination,
    f.sex, f.age, f.alcohol_specific, f.episodes
FROM (
    SELECT e.row AS spell, e.person, e.provider, e.episode_key AS spell_key, e.treatment_site, e.admission_date,
        CASE WHEN s.spell IS NULL THEN coalesce(e.discharge_date, e.episode_end) ELSE s.end_date END AS last_end,
        CASE WHEN s.spell IS NULL THEN e.episode_start ELSE s.first_start END AS first_start,
        e.patient_class, e.admission_method, e.admission_source,
        CASE WHEN s.spell IS NULL THEN e.discharge_method ELSE s.discharge_method END AS discharge_method,
        CASE WHEN s.spell IS NULL THEN e.discharge_destination ELSE s.discharge_destination END AS discharge_destination,
        e.sex, e.age,
        CASE WHEN s.spell IS NOT NULL THEN s.alcohol_specific ELSE CAST(CASE WHEN a.row IS NULL THEN 0 ELSE 1 END AS SMALLINT) END
            AS alcohol_specific,
        coalesce(s.episodes, CAST(1 AS INTEGER)) AS episodes
    FROM episodes AS e
    LEFT JOIN spell_members AS m ON m.row = e.row
    LEFT JOIN spell_spans AS s ON s.spell = e.row
    LEFT JOIN alcohol_episodes AS a ON a.row = e.row
    WHERE m.row IS NULL OR m.is_first = 1
) AS f
