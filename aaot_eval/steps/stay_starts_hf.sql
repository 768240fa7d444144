-- reads: spells_met
-- makes: stay_starts
-- rule: `hf`: a spell continues the one before it when it starts at most 3 days after that ended (overlap allowed) and there
--       is a sign of transfer: discharged to 51, 52, 53, or admitted from 51, 52, 53, or admission method 2B or 81
--       `early` = 1 when it starts before that ended
-- decision: docs/decisions/0013-stay.md
SELECT spell, person, place,
    CAST(CASE
        WHEN before_end IS NULL THEN 1
        WHEN date_diff('day', before_end, first_start) > 3 THEN 1
        WHEN before_destination IN ('51', '52', '53') OR admission_source IN ('51', '52', '53')
            OR admission_method IN ('2B', '81') THEN 0
        ELSE 1
    END AS SMALLINT) AS starts,
    CAST(CASE WHEN admission_date < before_end THEN 1 ELSE 0 END AS SMALLINT) AS early
FROM spells_met
