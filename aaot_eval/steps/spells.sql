-- reads: spell_starts, spell_members, spell_spans, episodes, alcohol_episodes
-- makes: spells
-- rule: admission fields from the first episode, discharge fields from the last; a missing discharge date is filled from the
--       other episodes of the spell, then from the last end; no spell ends before it starts. A spell goes by the row of its
--       first episode, and its number is the place of that episode among those of the person with the provider. Each spell
--       stands beside the end of the one before it of the same person and where that was discharged to, in the order: admission, end,
--       provider, number; and with the latest end of all spells before it
-- decision: docs/decisions/0012-spell.md, docs/decisions/0013-stay.md, docs/decisions/0104-spells-of-one-episode.md
SELECT spell, person, provider, spell_no, treatment_site, admission_date, end_date, first_start, patient_class,
    admission_method, admission_source, discharge_method, discharge_destination, sex, age, alcohol_specific, episodes,
    CAST(row_number() OVER w AS INTEGER) AS place,
    lag(end_date) OVER w AS before_end,
    lag(discharge_destination) OVER w AS before_destination,
    max(end_date) OVER (
        PARTITION BY person ORDER BY admission_date, end_date, provider, spell_no
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS latest_end
FROM (
    SELECT p.row AS spell, p.person, p.provider, p.place AS spell_no, e.treatment_site, e.admission_date,
        CASE WHEN coalesce(e.discharge_date, e.episode_end) < e.admission_date THEN e.admission_date
            ELSE coalesce(e.discharge_date, e.episode_end) END AS end_date,
        e.episode_start AS first_start, e.patient_class, e.admission_method, e.admission_source, e.discharge_method,
        e.discharge_destination, e.sex, e.age, CAST(CASE WHEN a.row IS NULL THEN 0 ELSE 1 END AS SMALLINT) AS alcohol_specific,
        CAST(1 AS INTEGER) AS episodes
    FROM spell_starts AS p
    JOIN episodes AS e ON e.row = p.row
    LEFT JOIN spell_members AS m ON m.row = p.row
    LEFT JOIN alcohol_episodes AS a ON a.row = p.row
    WHERE m.row IS NULL
    UNION ALL
    SELECT s.spell, s.person, s.provider, s.spell_no, f.treatment_site, f.admission_date,
        CASE WHEN s.end_date < f.admission_date THEN f.admission_date ELSE s.end_date END AS end_date,
        s.first_start, f.patient_class, f.admission_method, f.admission_source, l.discharge_method, l.discharge_destination,
        f.sex, f.age, s.alcohol_specific, s.episodes
    FROM spell_spans AS s
    JOIN episodes AS f ON f.row = s.spell
    JOIN episodes AS l ON l.row = s.last_row
) AS joined
WINDOW w AS (PARTITION BY person ORDER BY admission_date, end_date, provider, spell_no)
