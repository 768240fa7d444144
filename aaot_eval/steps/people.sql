-- reads: panel_people, homes, caseload, deaths, traits
-- makes: people
-- rule: one row a person: home hospital (the caseload's site for somebody without an admission at a unit), month of referral,
--       of leaving and of death counted from the first month of the window, and sex, age and deprivation at the first admission; arm as allocated in a trial; linked = 1 when the extract holds an admission of the person
-- decision: docs/decisions/0017-home_hospital.md
SELECT p.person, coalesce(h.site, k.site) AS unit,
    year(k.referred) * 12 + month(k.referred) - 1 - {first_clock} AS referral_t,
    year(k.ended) * 12 + month(k.ended) - 1 - {first_clock} AS ended_t,
    year(d.death_date) * 12 + month(d.death_date) - 1 - {first_clock} AS death_t,
    t.sex, t.age, t.deprivation, k.site AS team, k.arm, CASE WHEN t.person IS NULL THEN 0 ELSE 1 END AS linked
FROM panel_people AS p
LEFT JOIN homes AS h ON h.person = p.person
LEFT JOIN caseload AS k ON k.person = p.person
LEFT JOIN deaths AS d ON d.person = p.person AND d.used = 1
LEFT JOIN traits AS t ON t.person = p.person
