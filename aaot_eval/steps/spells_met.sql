-- reads: spells
-- makes: spells_met
-- rule: each spell beside the one before it of the same person, in the order: admission, end, provider, number; and the latest
--       end of all spells before it
-- decision: docs/decisions/0013-stay.md
SELECT spell, person, provider, treatment_site, admission_date, first_start, end_date, patient_class, admission_method,
    admission_source, discharge_method, discharge_destination, sex, age, alcohol_specific,
    row_number() OVER w AS place,
    lag(provider) OVER w AS before_provider,
    lag(end_date) OVER w AS before_end,
    lag(discharge_method) OVER w AS before_method,
    lag(discharge_destination) OVER w AS before_destination,
    max(end_date) OVER (
        PARTITION BY person ORDER BY admission_date, end_date, provider, spell_no
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS latest_end
FROM spells
WINDOW w AS (PARTITION BY person ORDER BY admission_date, end_date, provider, spell_no)
