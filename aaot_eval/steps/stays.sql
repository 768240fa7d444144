-- reads: stay_spans, spells, sites
-- makes: stays
-- rule: one continuous stay is one admission, dated, sited and typed by its first spell; it is an emergency when the first
--       admission method is one; alcohol-specific when any episode of it is; it lasts to the last end of its spells. Its site
--       is the site of treatment when the sites table names it, else the provider as written when the table names that, else
--       the three characters of the provider; a Scottish hospital (a letter, three digits, a letter) stays as it is
-- decision: docs/decisions/0013-stay.md, docs/decisions/0014-emergency.md, docs/decisions/0016-site.md
SELECT g.first_spell AS stay, g.person, g.stay_no,
    coalesce(t.site, p.site, CASE
            WHEN substr(f.provider, 2, 1) BETWEEN '0' AND '9' AND substr(f.provider, 3, 1) BETWEEN '0' AND '9'
                AND substr(f.provider, 4, 1) BETWEEN '0' AND '9' AND substr(f.provider, 5, 1) BETWEEN 'A' AND 'Z' THEN f.provider
            WHEN length(f.provider) = 5 THEN substr(f.provider, 1, 3)
            ELSE f.provider
        END) AS site,
    f.admission_date, g.end_date,
    date_diff('day', f.admission_date, g.end_date) AS nights,
    CASE WHEN f.admission_method IN ({emergency}) THEN 1 ELSE 0 END AS emergency,
    g.alcohol_specific,
    CASE WHEN f.patient_class = '2' AND coalesce(f.admission_method, '') NOT IN ({emergency}) THEN 1 ELSE 0 END AS day_case,
    g.died, f.sex, f.age, g.spells
FROM stay_spans AS g
JOIN spells AS f ON f.spell = g.first_spell
LEFT JOIN sites AS t ON t.site = f.treatment_site
LEFT JOIN sites AS p ON p.site = f.provider
