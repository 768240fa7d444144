-- reads: spells, stay_members, stay_spans, site_codes
-- makes: stays
-- rule: one continuous stay is one admission, dated, sited and typed by its first spell; it is an emergency when the first
--       admission method is one; alcohol-specific when any episode of it is; it lasts to the last end of its spells, and its
--       provider and key are those of its first spell. Its site
--       is that of the site of treatment when the sites table names it, else that of the provider
-- decision: docs/decisions/0013-stay.md, docs/decisions/0014-emergency.md, docs/decisions/0016-site.md, docs/decisions/0104-spells-of-one-episode.md
SELECT f.stay, f.person, f.provider, f.stay_key,
    coalesce(t.site, p.site) AS site,
    f.admission_date, f.end_date,
    CAST(date_diff('day', f.admission_date, f.end_date) AS INTEGER) AS nights,
    CAST(CASE WHEN f.admission_method IN ({emergency}) THEN 1 ELSE 0 END AS SMALLINT) AS emergency,
    f.alcohol_specific,
    CAST(CASE WHEN f.patient_class = '2' AND coalesce(f.admission_method, '') NOT IN ({emergency}) THEN 1 ELSE 0 END AS SMALLINT)
        AS day_case,
    f.died, f.sex, f.age, f.spells
FROM (
    SELECT s.spell AS stay, s.person, s.spell_key AS stay_key, s.provider, s.treatment_site, s.patient_class, s.admission_method,
        s.admission_date, s.end_date, s.alcohol_specific,
        CAST(CASE WHEN s.discharge_method = '4' OR s.discharge_destination = '79' THEN 1 ELSE 0 END AS SMALLINT) AS died,
        s.sex, s.age, CAST(1 AS INTEGER) AS spells
    FROM spells AS s
    LEFT JOIN stay_members AS m ON m.spell = s.spell
    WHERE m.spell IS NULL
    UNION ALL
    SELECT g.stay, s.person, s.spell_key AS stay_key, s.provider, s.treatment_site, s.patient_class, s.admission_method,
        s.admission_date, g.end_date, g.alcohol_specific, g.died, s.sex, s.age, g.spells
    FROM stay_spans AS g
    JOIN spells AS s ON s.spell = g.stay
) AS f
LEFT JOIN site_codes AS t ON t.treatment_site = f.treatment_site
LEFT JOIN site_codes AS p ON p.provider = f.provider
