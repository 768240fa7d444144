-- reads: caseload
-- makes: first_met
-- rule: without contacts, the month in which the caseload says that work with a person started
-- decision: docs/decisions/0092-first-contact.md
SELECT person, year(started) * 12 + month(started) - 1 - {first_clock} AS contact_t
FROM caseload
WHERE started >= referred
