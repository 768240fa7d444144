-- reads: episodes_met
-- makes: spell_starts
-- rule: `hf`: an episode belongs to the spell of the one before it when both have the same admission date or the same start,
--       or the one before was not discharged (method 8 or 9) and this one starts on the day it ended
--       `long_leave` = 1 when more than so many days lie between them though both have the same admission date
-- decision: docs/decisions/0012-spell.md
SELECT row, person, provider, place,
    CAST(CASE
        WHEN before_admission IS NULL THEN 1
        WHEN admission_date = before_admission THEN 0
        WHEN episode_start = before_start THEN 0
        WHEN coalesce(before_method, '9') IN ('8', '9') AND episode_start = before_end THEN 0
        ELSE 1
    END AS SMALLINT) AS starts,
    CAST(CASE WHEN admission_date = before_admission AND date_diff('day', before_end, episode_start) > {leave}
        THEN 1 ELSE 0 END AS SMALLINT) AS long_leave
FROM episodes_met
