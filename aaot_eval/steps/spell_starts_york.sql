-- reads: episodes_met
-- makes: spell_starts
-- rule: `york`: the episodes of one person with one provider and one admission date, in their order in the spell
-- decision: docs/decisions/0012-spell.md
SELECT row, person, provider,
    CAST(row_number() OVER (PARTITION BY person, provider ORDER BY admission_date, episode_order, place) AS INTEGER) AS place,
    CAST(CASE WHEN row_number() OVER (PARTITION BY person, provider, admission_date ORDER BY episode_order, place) = 1
        THEN 1 ELSE 0 END AS SMALLINT) AS starts,
    CAST(CASE WHEN admission_date = before_admission AND date_diff('day', before_end, episode_start) > {leave}
        THEN 1 ELSE 0 END AS SMALLINT) AS long_leave
FROM episodes_met
