-- reads: stay_members, spells
-- makes: stay_spans
-- rule: of each stay of more than one spell its last end, whether its last spell ended in death, and whether any spell of it is
--       alcohol-specific. A stay of one spell is that spell: `stays` takes it as it is
-- decision: docs/decisions/0013-stay.md, docs/decisions/0104-spells-of-one-episode.md
SELECT m.stay,
    CAST(max(CASE WHEN m.is_last = 1 AND (s.discharge_method = '4' OR s.discharge_destination = '79') THEN 1 ELSE 0 END)
        AS SMALLINT) AS died,
    max(s.end_date) AS end_date,
    max(s.alcohol_specific) AS alcohol_specific,
    CAST(count(*) AS INTEGER) AS spells
FROM stay_members AS m
JOIN spells AS s ON s.spell = m.spell
GROUP BY m.stay
