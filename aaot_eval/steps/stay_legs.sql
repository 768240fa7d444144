-- reads: stay_members, stays, spells, spell_members, episodes_read
-- makes: stay_legs
-- rule: every spell of a stay with its HRG and point of delivery. The HRG of a spell is repeated on its episodes and counts
--       once: that of the first episode which has one. A planned same-day spell of patient class 2 is a day case and never an
--       inpatient spell
-- decision: docs/decisions/0066-price-basis.md
SELECT g.stay, s.spell, s.person, date_diff('day', s.admission_date, s.end_date) AS nights,
    CASE
        WHEN s.patient_class = '2' AND coalesce(s.admission_method, '') NOT IN ({emergency}) THEN 'day_case'
        WHEN s.admission_method IN ({emergency}) THEN 'emergency'
        ELSE 'elective'
    END AS delivery,
    h.hrg
FROM spells AS s
JOIN stay_members AS m ON m.spell = s.spell
JOIN stays AS g ON g.person = m.person AND g.stay_no = m.stay_no
LEFT JOIN (
    SELECT n.person, n.provider, n.spell_no, e.spell_hrg AS hrg,
        row_number() OVER (PARTITION BY n.person, n.provider, n.spell_no ORDER BY n.row) AS place
    FROM spell_members AS n
    JOIN episodes_read AS e ON e.row = n.row
    WHERE e.spell_hrg IS NOT NULL
) AS h ON h.person = s.person AND h.provider = s.provider AND h.spell_no = s.spell_no AND h.place = 1
