-- reads: spells
-- makes: spells_met
-- rule: each spell beside the one before it of the same person, in the order: admission, end, provider, number; and the latest
--       end of all spells before it
-- decision: docs/decisions/0013-stay.md
SELECT spell, person, provider, admission_date, first_start, end_date, coalesce(admission_method, '') AS admission_method,
    coalesce(admission_source, '') AS admission_source,
    row_number() OVER w AS place,
    lag(provider) OVER w AS before_provider,
    lag(end_date) OVER w AS before_end,
    lag(coalesce(discharge_method, '9')) OVER w AS before_method,
    lag(coalesce(discharge_destination, '')) OVER w AS before_destination,
    max(end_date) OVER (
        PARTITION BY person ORDER BY admission_date, end_date, provider, spell_no
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS latest_end
FROM spells
WINDOW w AS (PARTITION BY person ORDER BY admission_date, end_date, provider, spell_no)
