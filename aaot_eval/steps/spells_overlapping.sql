-- reads: stay_starts, spells
-- makes: spells_overlapping
-- rule: the spells that start before an earlier one of the same person has ended. Whoever has one has one that starts before the spell
--       right before it has ended, so that nobody else is looked at
-- decision: docs/decisions/0013-stay.md
SELECT spell, person
FROM (
    SELECT s.spell, s.person, s.admission_date, max(s.end_date) OVER (
        PARTITION BY s.person ORDER BY s.admission_date, s.end_date, s.provider, s.first_start, s.spell_key
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS latest_end
    FROM spells AS s
    JOIN (SELECT DISTINCT person FROM stay_starts WHERE early = 1) AS o ON o.person = s.person
) AS met
WHERE admission_date < latest_end
