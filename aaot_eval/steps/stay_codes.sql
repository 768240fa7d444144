-- reads: coded_diagnoses, spell_members, spells, stay_members, stays
-- makes: stay_codes
-- rule: which stays have a code of a list in any episode; `main` = 1 when it is the main diagnosis of an episode
-- decision: docs/decisions/0056-further-outcomes.md
SELECT g.stay, d.list, max(CASE WHEN d.position = 1 THEN 1 ELSE 0 END) AS main
FROM coded_diagnoses AS d
JOIN spell_members AS n ON n.row = d.row
JOIN spells AS s ON s.person = n.person AND s.provider = n.provider AND s.spell_no = n.spell_no
JOIN stay_members AS m ON m.spell = s.spell
JOIN stays AS g ON g.person = m.person AND g.stay_no = m.stay_no
WHERE d.list IN ('cancer', 'obstetric', 'listed') AND d.position <= {positions}
GROUP BY g.stay, d.list
