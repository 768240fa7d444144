-- reads: episodes_met, episodes_read
-- makes: spell_starts
-- rule: `sus`: the episodes of one person with one provider and one number: that of SUS grouping, which counts for every episode
--       of the same provider spell number, else the provider's own spell number. An episode without either goes by its
--       admission date, as in `york`. Order within a spell: episode number
-- decision: docs/decisions/0050-spell-numbers.md
SELECT row, person, provider,
    CAST(row_number() OVER (PARTITION BY person, provider ORDER BY first_place, episode_order, place) AS INTEGER) AS place,
    CAST(CASE WHEN row_number() OVER (
        PARTITION BY person, provider, grouped, numbered, unnumbered ORDER BY episode_order, place
    ) = 1 THEN 1 ELSE 0 END AS SMALLINT) AS starts,
    long_leave
FROM (
    SELECT row, person, provider, place, episode_order, long_leave, grouped, numbered, unnumbered,
        min(place) OVER (PARTITION BY person, provider, grouped, numbered, unnumbered) AS first_place
    FROM (
        SELECT row, person, provider, place, episode_order, long_leave, grouped,
            CASE WHEN grouped IS NULL THEN provider_spell END AS numbered,
            CASE WHEN grouped IS NULL AND provider_spell IS NULL THEN admission_date END AS unnumbered
        FROM (
            SELECT m.row, m.person, m.provider, m.place, m.episode_order, m.admission_date, e.provider_spell,
                CAST(CASE WHEN m.admission_date = m.before_admission AND date_diff('day', m.before_end, m.episode_start) > {leave}
                    THEN 1 ELSE 0 END AS SMALLINT) AS long_leave,
                CASE WHEN e.provider_spell IS NULL THEN e.sus_spell
                    ELSE max(e.sus_spell) OVER (PARTITION BY m.person, m.provider, e.provider_spell) END AS grouped
            FROM episodes_met AS m
            JOIN episodes_read AS e ON e.row = m.row
        ) AS found
    ) AS named
) AS placed
