-- reads: coded_diagnoses, spell_members, spells, stay_members
-- makes: stay_codes
-- rule: which stays have a code of a list in any episode; `main` = 1 when it is the main diagnosis of an episode
-- decision: docs/decisions/0056-further-outcomes.md
SELECT coalesce(m.stay, s.spell) AS stay, d.list, max(CASE WHEN d.position = 1 THEN 1 ELSE 0 END) AS main
FROM coded_diagnoses AS d
LEFT JOIN spell_members AS n ON n.row = d.row
JOIN spells AS s ON s.spell = coalesce(n.spell, d.row)
LEFT JOIN stay_members AS m ON m.spell = s.spell
WHERE d.list IN ('cancer', 'obstetric', 'listed') AND d.position <= {positions}
GROUP BY coalesce(m.stay, s.spell), d.list
