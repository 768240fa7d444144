-- reads: counted_stays, panel_people
-- makes: person_months
-- rule: counts of stays by person and month of admission, wherever the person was admitted; only months with a stay
-- decision: docs/decisions/0013-stay.md
SELECT c.person, c.t, sum(c.alcohol_specific_emergency) AS alcohol_specific_emergency,
    sum(c.non_alcohol_emergency) AS non_alcohol_emergency, sum(c.emergency) AS emergency, sum(c.bed_days) AS bed_days
FROM counted_stays AS c
JOIN panel_people AS p ON p.person = c.person
GROUP BY c.person, c.t
