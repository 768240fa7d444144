-- reads: spell_spans, episodes
-- makes: spells
-- rule: admission fields from the first episode, discharge fields from the last; a missing discharge date is filled from the
--       other episodes of the spell, then from the last end; no spell ends before it starts. A spell goes by the row of its
--       first episode
-- decision: docs/decisions/0012-spell.md
SELECT s.first_row AS spell, s.person, s.provider, s.spell_no, f.treatment_site, f.admission_date,
    CASE WHEN s.end_date < f.admission_date THEN f.admission_date ELSE s.end_date END AS end_date,
    s.first_start, f.patient_class, f.admission_method, f.admission_source, l.discharge_method, l.discharge_destination, f.sex,
    f.age, s.alcohol_specific, s.episodes
FROM spell_spans AS s
JOIN episodes AS f ON f.row = s.first_row
JOIN episodes AS l ON l.row = s.last_row
