-- reads: panel_people, first_coded
-- makes: person_flags
-- rule: whether severe mental illness, drug use or self-harm was coded in an admission before the day given
-- decision: docs/decisions/0057-co-occurring.md
SELECT p.person,
    max(CASE WHEN c.list = 'smi' THEN 1 ELSE 0 END) AS smi,
    max(CASE WHEN c.list = 'drug_use' THEN 1 ELSE 0 END) AS drug_use,
    max(CASE WHEN c.list = 'self_harm' THEN 1 ELSE 0 END) AS self_harm
FROM panel_people AS p
LEFT JOIN first_coded AS c ON c.person = p.person AND c.since < {before}
GROUP BY p.person
