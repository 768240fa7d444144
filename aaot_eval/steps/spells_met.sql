-- reads: spells_ordered
-- makes: spells_met
-- rule: each spell beside the one before it of the same person, and the latest end of all before it
-- decision: docs/decisions/0013-stay.md
SELECT spell, person, place, provider, admission_date, first_start, end_date, admission_method, admission_source, patient_class,
    lag(provider) OVER (PARTITION BY person ORDER BY place) AS before_provider,
    lag(end_date) OVER (PARTITION BY person ORDER BY place) AS before_end,
    lag(discharge_method) OVER (PARTITION BY person ORDER BY place) AS before_method,
    lag(discharge_destination) OVER (PARTITION BY person ORDER BY place) AS before_destination,
    lag(patient_class) OVER (PARTITION BY person ORDER BY place) AS before_class,
    max(end_date) OVER (PARTITION BY person ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS latest_end
FROM spells_ordered
