-- reads: spells, stay_members, episodes_read, spell_members
-- makes: stay_legs
-- rule: every spell of a stay with its HRG and point of delivery. The HRG of a spell is repeated on its episodes and counts
--       once: that of the first episode which has one. A planned same-day spell of patient class 2 is a day case and never an
--       inpatient spell
-- decision: docs/decisions/0066-price-basis.md
SELECT coalesce(m.stay, s.spell) AS stay, s.spell, s.person, date_diff('day', s.admission_date, s.end_date) AS nights,
    CASE
        WHEN s.patient_class = '2' AND coalesce(s.admission_method, '') NOT IN ({emergency}) THEN 'day_case'
        WHEN s.admission_method IN ({emergency}) THEN 'emergency'
        ELSE 'elective'
    END AS delivery,
    h.hrg
FROM spells AS s
LEFT JOIN stay_members AS m ON m.spell = s.spell
LEFT JOIN (
    SELECT coalesce(n.spell, e.row) AS spell, e.spell_hrg AS hrg,
        row_number() OVER (PARTITION BY coalesce(n.spell, e.row) ORDER BY e.row) AS place
    FROM episodes_read AS e
    LEFT JOIN spell_members AS n ON n.row = e.row
    WHERE e.spell_hrg IS NOT NULL
) AS h ON h.spell = s.spell AND h.place = 1
