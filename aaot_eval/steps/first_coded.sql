-- reads: coded_diagnoses, episodes
-- makes: first_coded
-- rule: the first admission of a person with a code of a list, by list
-- decision: docs/decisions/0057-co-occurring.md
SELECT e.person, d.list, min(e.admission_date) AS since
FROM coded_diagnoses AS d
JOIN episodes AS e ON e.row = d.row
WHERE d.list IN ('smi', 'drug_use', 'self_harm', 'excluded') AND d.position <= {positions}
GROUP BY e.person, d.list
