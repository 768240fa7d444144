-- reads: episodes, episodes_read
-- makes: residences
-- rule: where a person lives is the area of the first episode that says it, known from that day on: a later move changes nothing, and
--       nobody is looked at before the area is known; a code for unknown or for none of the country says no area
-- decision: docs/decisions/0140-area-of-residence.md
SELECT person, residence, admission_date AS since
FROM (
    SELECT e.person, d.residence, e.admission_date, row_number() OVER (
        PARTITION BY e.person
        ORDER BY e.admission_date, e.episode_start, e.provider, e.episode_key
    ) AS place
    FROM episodes AS e
    JOIN episodes_read AS d ON d.row = e.row
    WHERE d.residence IS NOT NULL AND d.residence NOT IN ({nowhere})
) AS told
WHERE place = 1
