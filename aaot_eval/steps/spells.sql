-- reads: episodes, spell_members, alcohol_episodes
-- makes: spells
-- rule: admission fields from the first episode, discharge fields from the last; a missing discharge date is filled from the
--       other episodes of the spell, then from the last end; no spell ends before it starts
-- decision: docs/decisions/0012-spell.md
SELECT row_number() OVER (ORDER BY person, provider, spell_no) AS spell, person, provider, treatment_site, admission_date,
    CASE WHEN end_date < admission_date THEN admission_date ELSE end_date END AS end_date,
    first_start, patient_class, admission_method, admission_source, discharge_method, discharge_destination, sex, age,
    alcohol_specific, episodes
FROM (
    SELECT m.person, m.provider, m.spell_no,
        max(CASE WHEN m.is_first = 1 THEN e.treatment_site END) AS treatment_site,
        max(CASE WHEN m.is_first = 1 THEN e.admission_date END) AS admission_date,
        coalesce(max(CASE WHEN m.is_last = 1 THEN e.discharge_date END), max(e.discharge_date), max(e.episode_end)) AS end_date,
        min(e.episode_start) AS first_start,
        max(CASE WHEN m.is_first = 1 THEN e.patient_class END) AS patient_class,
        max(CASE WHEN m.is_first = 1 THEN e.admission_method END) AS admission_method,
        max(CASE WHEN m.is_first = 1 THEN e.admission_source END) AS admission_source,
        max(CASE WHEN m.is_last = 1 THEN e.discharge_method END) AS discharge_method,
        max(CASE WHEN m.is_last = 1 THEN e.discharge_destination END) AS discharge_destination,
        max(CASE WHEN m.is_first = 1 THEN e.sex END) AS sex,
        max(CASE WHEN m.is_first = 1 THEN e.age END) AS age,
        max(CASE WHEN a.row IS NULL THEN 0 ELSE 1 END) AS alcohol_specific,
        count(*) AS episodes
    FROM spell_members AS m
    JOIN episodes AS e ON e.row = m.row
    LEFT JOIN alcohol_episodes AS a ON a.row = m.row
    GROUP BY m.person, m.provider, m.spell_no
) AS joined
