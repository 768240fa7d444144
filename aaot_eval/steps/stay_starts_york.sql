-- reads: spells_met
-- makes: stay_starts
-- rule: `york`: a spell continues the one before it when that ended with an unknown method or still in hospital (8, 9) and
--       another provider starts on the same day
-- decision: docs/decisions/0013-stay.md
SELECT spell, person, place,
    CAST(CASE
        WHEN before_end IS NULL THEN 1
        WHEN coalesce(before_method, '9') IN ('8', '9') AND admission_date = before_end
            AND provider <> before_provider THEN 0
        ELSE 1
    END AS SMALLINT) AS starts,
    CAST(CASE WHEN admission_date < before_end THEN 1 ELSE 0 END AS SMALLINT) AS early
FROM spells_met
