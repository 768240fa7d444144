-- reads: contacts_read, persons
-- makes: contacts
-- rule: contacts with people who are in an extract or on the caseload; a contact that stands twice in one file is two contacts,
--       the same file loaded twice is not
-- decision: docs/decisions/0033-contacts-and-denominators.md
SELECT person, contact_date, site, kind, staff, minutes
FROM (
    SELECT DISTINCT p.person, c.contact_date, c.site, c.kind, c.staff, c.minutes, c.place
    FROM (
        SELECT person, contact_date, site, kind, staff, minutes,
            row_number() OVER (
                PARTITION BY load, person, contact_date, coalesce(site, ''), coalesce(kind, ''), coalesce(staff, ''), coalesce(minutes, -1)
                ORDER BY row
            ) AS place
        FROM contacts_read
    ) AS c
    JOIN persons AS p ON p.token = c.person
) AS once
