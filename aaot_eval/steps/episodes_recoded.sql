-- reads: episodes, provider_codes
-- makes: episodes
-- wide: a row holds a whole episode, and many steps read it
-- rule: a site of treatment that stands in the table of changes takes the new code
-- decision: docs/decisions/0053-provider-changes.md
SELECT e.row, e.person, e.episode_key, e.provider, coalesce(c.code, e.treatment_site) AS treatment_site, e.admission_date,
    e.episode_start, e.episode_end, e.discharge_date, e.episode_order, e.patient_class, e.admission_method, e.admission_source,
    e.discharge_method, e.discharge_destination, e.sex, e.age, e.deprivation, e.uncoded, e.codes
FROM episodes AS e
LEFT JOIN provider_codes AS c ON c.old_code = e.treatment_site
