-- reads: spells
-- makes: spells_met
-- view of: spells
-- rule: each spell beside the one before it of the same person, in the order: admission, end, provider, start of the first
--       episode, key. The key ends every tie, so that the order of rows in the file cannot matter
-- decision: docs/decisions/0013-stay.md
SELECT spell, person, provider, admission_date, first_start, admission_source, admission_method,
    CAST(row_number() OVER w AS INTEGER) AS place,
    lag(provider) OVER w AS before_provider,
    lag(end_date) OVER w AS before_end,
    lag(discharge_method) OVER w AS before_method,
    lag(discharge_destination) OVER w AS before_destination
FROM spells
WINDOW w AS (PARTITION BY person ORDER BY admission_date, end_date, provider, first_start, spell_key)
