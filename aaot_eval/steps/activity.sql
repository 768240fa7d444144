-- reads: activity_read, persons
-- makes: activity
-- rule: other priced care, by person, day and item. Two rows of a file are two contacts; when the same person, day and item
--       stand in two files, the file loaded last is right, so that loading a file twice counts nothing twice
-- decision: docs/decisions/0068-other-activity.md
SELECT p.person, a.date AS activity_date, a.item, sum(CAST(a.quantity AS DECIMAL(18, 6))) AS quantity
FROM (
    SELECT person, date, item, quantity, load, max(load) OVER (PARTITION BY person, date, item) AS last_load
    FROM activity_read
    WHERE person IS NOT NULL AND date IS NOT NULL AND item IS NOT NULL AND quantity > 0
) AS a
JOIN persons AS p ON p.token = a.person
WHERE a.load = a.last_load
GROUP BY p.person, a.date, a.item
