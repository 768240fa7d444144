-- reads: coded_diagnoses, fractions, episodes
-- makes: attributable_episodes
-- rule: what share of an episode is attributable to alcohol, by sex and age: `broad`, the highest fraction of all positions;
--       `narrow`, the highest of the main diagnosis and of external causes in any position; `narrow_main`, that of the main
--       diagnosis if it has any, else the highest of external causes. Among equals the earlier position. Fractions of 0 and
--       below are none
-- decision: docs/decisions/0055-attributable-fractions.md
SELECT row, max(fraction) AS broad, coalesce(max(CASE WHEN position = 1 OR external = 1 THEN fraction END), 0) AS narrow,
    coalesce(max(CASE WHEN position = 1 THEN fraction END), max(CASE WHEN external = 1 THEN fraction END), 0) AS narrow_main,
    min(CASE WHEN place = 1 THEN position END) AS broad_position
FROM (
    SELECT d.row, d.position, f.external, f.fraction,
        row_number() OVER (PARTITION BY d.row ORDER BY f.fraction DESC, d.position) AS place
    FROM coded_diagnoses AS d
    JOIN episodes AS e ON e.row = d.row
    JOIN fractions AS f ON f.condition = d.list AND f.sex = e.sex AND e.age >= f.age_from AND e.age < f.age_to
) AS found
GROUP BY row
