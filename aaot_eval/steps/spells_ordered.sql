-- reads: spells
-- makes: spells_ordered
-- rule: the order of one person's spells: admission, end, provider, number; the number ends every tie
-- decision: docs/decisions/0013-stay.md
SELECT spell, person, provider, admission_date, first_start, end_date, coalesce(admission_method, '') AS admission_method,
    coalesce(admission_source, '') AS admission_source, coalesce(discharge_method, '9') AS discharge_method,
    coalesce(discharge_destination, '') AS discharge_destination, patient_class,
    row_number() OVER (PARTITION BY person ORDER BY admission_date, end_date, provider, spell) AS place
FROM spells
