-- reads: episodes_judged, episodes_reopened, provider_codes
-- makes: episodes_judged
-- wide: a row holds a whole episode, and many steps read it
-- rule: a record under an old code belongs to the provider that has the new one, whatever its date, so that the unit is the
--       same before and after the change; a reopened record takes back its true admission date
-- decision: docs/decisions/0053-provider-changes.md
SELECT e.row, e.load, e.person, e.episode_key, coalesce(c.code, e.provider) AS provider, e.treatment_site,
    coalesce(o.admission_date, e.admission_date) AS admission_date, e.episode_start, e.episode_end, e.discharge_date,
    e.episode_order, e.patient_class, e.admission_method, e.admission_source, e.discharge_method, e.discharge_destination,
    e.sex, e.age, e.deprivation, e.uncoded, e.codes, e.loss
FROM episodes_judged AS e
LEFT JOIN provider_codes AS c ON c.old_code = e.provider
LEFT JOIN episodes_reopened AS o ON o.row = e.row
