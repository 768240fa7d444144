-- reads: spells, stay_members, site_of
-- makes: stays
-- rule: one continuous stay is one admission, dated, sited and typed by its first spell; it is an emergency when the first
--       admission method is one; alcohol-specific when any episode of it is; it lasts to the last end of its spells
-- decision: docs/decisions/0013-stay.md, docs/decisions/0014-emergency.md
SELECT row_number() OVER (ORDER BY person, stay_no) AS stay, person, site, admission_date, end_date,
    date_diff('day', admission_date, end_date) AS nights,
    CASE WHEN admission_method IN ({emergency}) THEN 1 ELSE 0 END AS emergency,
    alcohol_specific,
    CASE WHEN patient_class = '2' AND coalesce(admission_method, '') NOT IN ({emergency}) THEN 1 ELSE 0 END AS day_case,
    CASE WHEN discharge_method = '4' OR discharge_destination = '79' THEN 1 ELSE 0 END AS died,
    sex, age, spells
FROM (
    SELECT m.person, m.stay_no,
        max(CASE WHEN m.is_first = 1 THEN o.site END) AS site,
        max(CASE WHEN m.is_first = 1 THEN s.admission_date END) AS admission_date,
        max(s.end_date) AS end_date,
        max(CASE WHEN m.is_first = 1 THEN s.admission_method END) AS admission_method,
        max(CASE WHEN m.is_first = 1 THEN s.patient_class END) AS patient_class,
        max(CASE WHEN m.is_last = 1 THEN s.discharge_method END) AS discharge_method,
        max(CASE WHEN m.is_last = 1 THEN s.discharge_destination END) AS discharge_destination,
        max(CASE WHEN m.is_first = 1 THEN s.sex END) AS sex,
        max(CASE WHEN m.is_first = 1 THEN s.age END) AS age,
        max(s.alcohol_specific) AS alcohol_specific,
        count(*) AS spells
    FROM stay_members AS m
    JOIN spells AS s ON s.spell = m.spell
    JOIN site_of AS o ON o.spell = m.spell
    GROUP BY m.person, m.stay_no
) AS joined
