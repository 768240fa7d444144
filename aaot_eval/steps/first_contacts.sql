-- reads: contacts, caseload
-- makes: first_met
-- rule: the month of the first contact of the team with a person on the day of the referral or after it
-- decision: docs/decisions/0092-first-contact.md
SELECT person, year(day) * 12 + month(day) - 1 - {first_clock} AS contact_t
FROM (
    SELECT c.person, min(c.contact_date) AS day
    FROM contacts AS c
    JOIN caseload AS k ON k.person = c.person
    WHERE c.contact_date >= k.referred
    GROUP BY c.person
) AS firsts
