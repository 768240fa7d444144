-- reads: spells_met
-- makes: stay_starts
-- rule: `nhsd`: a spell continues the one before it when it starts 0, 1 or 2 days after that ended and there is a sign of
--       transfer: discharged to 49 to 53 or 84, or admitted from 49 to 53 or 87, or method 2B or 81; never for a discharge
--       home (19) with an emergency through A&E (21) from another hospital (51)
-- decision: docs/decisions/0013-stay.md
SELECT spell, person, place,
    CAST(CASE
        WHEN before_end IS NULL THEN 1
        WHEN date_diff('day', before_end, first_start) NOT BETWEEN 0 AND 2 THEN 1
        WHEN before_destination = '19' AND admission_source = '51' AND admission_method = '21' THEN 1
        WHEN before_destination IN ('49', '50', '51', '52', '53', '84')
            OR admission_source IN ('49', '50', '51', '52', '53', '87') OR admission_method IN ('2B', '81') THEN 0
        ELSE 1
    END AS SMALLINT) AS starts,
    CAST(CASE WHEN admission_date < before_end THEN 1 ELSE 0 END AS SMALLINT) AS early
FROM spells_met
