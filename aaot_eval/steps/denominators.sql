-- reads: denominators_read
-- makes: denominators
-- rule: one row a site and date, the last load first, then the larger population
-- decision: docs/decisions/0033-contacts-and-denominators.md
SELECT site, valid_from, population, beds
FROM (
    SELECT site, valid_from, population, beds,
        row_number() OVER (PARTITION BY site, valid_from ORDER BY load DESC, population DESC, coalesce(beds, -1) DESC) AS place
    FROM denominators_read
) AS ranked
WHERE place = 1
