-- reads: stays, caseload
-- makes: index_stays
-- rule: the stay during which a person was first referred; it led to the referral, so its cost is no outcome of it (left_out = 1)
-- decision: docs/decisions/0069-when-a-stay-costs.md
SELECT DISTINCT s.stay
FROM stays AS s
JOIN caseload AS c ON c.person = s.person
WHERE {left_out} = 1 AND c.referred >= s.admission_date AND c.referred <= s.end_date
