-- reads: spells_met, episodes_read
-- makes: stay_starts
-- rule: `smr`: the spells with the marker of one continuous inpatient stay are one stay, whatever their dates; a spell without a
--       marker is a stay of its own
-- decision: docs/decisions/0051-scottish-stays.md
SELECT spell, person,
    CAST(row_number() OVER (PARTITION BY person ORDER BY first_place, place) AS INTEGER) AS place,
    CAST(CASE WHEN stay_number IS NOT NULL AND place > first_place THEN 0 ELSE 1 END AS SMALLINT) AS starts,
    early
FROM (
    SELECT m.spell, m.person, m.place, r.stay_number,
        CAST(CASE WHEN m.admission_date < m.before_end THEN 1 ELSE 0 END AS SMALLINT) AS early,
        CASE WHEN r.stay_number IS NULL THEN m.place
            ELSE min(m.place) OVER (PARTITION BY m.person, r.stay_number) END AS first_place
    FROM spells_met AS m
    JOIN episodes_read AS r ON r.row = m.spell
) AS marked
