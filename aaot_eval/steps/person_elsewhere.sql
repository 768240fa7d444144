-- reads: counted_stays, people
-- makes: person_elsewhere
-- rule: alcohol-specific emergency admissions of a person at another site than the home hospital; only months with one
-- decision: docs/decisions/0017-home_hospital.md
SELECT c.person, c.t, sum(c.alcohol_specific_emergency) AS elsewhere
FROM counted_stays AS c
JOIN people AS p ON p.person = c.person
WHERE c.alcohol_specific_emergency = 1 AND c.site <> p.unit
GROUP BY c.person, c.t
