-- reads: counted_stays, caseload
-- makes: panel_people
-- rule: everybody with an alcohol-specific emergency stay in the window at any site, and everybody on the caseload
-- decision: docs/decisions/0017-home_hospital.md
SELECT row_number() OVER (ORDER BY person) - 1 AS place, person
FROM (
    SELECT person FROM counted_stays WHERE alcohol_specific_emergency = 1
    UNION
    SELECT person FROM caseload
) AS wanted
