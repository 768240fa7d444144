-- reads: attendances_read, provider_codes
-- makes: attendances_read
-- rule: an attendance under an old code belongs to the provider that has the new one
-- decision: docs/decisions/0053-provider-changes.md
SELECT a.load, a.row, a.person, a.attendance_key, a.arrival_date, a.category, a.department,
    coalesce(c.code, a.provider) AS provider, coalesce(s.code, a.treatment_site) AS treatment_site, a.arrival_time, a.arrival_mode,
    a.disposal, a.diagnosis_1, a.treatment_1, a.chief_complaint, a.injury_intent, a.drug_alcohol_1, a.drug_alcohol_2, a.drug_alcohol_3,
    a.drug_alcohol_4, a.accommodation
FROM attendances_read AS a
LEFT JOIN provider_codes AS c ON c.old_code = a.provider
LEFT JOIN provider_codes AS s ON s.old_code = a.treatment_site
