-- reads: stays_in_turn
-- makes: readmissions
-- rule: an emergency stay that begins 0 to {last_day} days after the last discharge of the same person, both ends counted
-- decision: docs/decisions/0056-further-outcomes.md
SELECT r.stay, r.person, r.site, r.admission_date, i.stay AS index_stay
FROM stays_in_turn AS r
JOIN stays_in_turn AS i ON i.person = r.person AND i.seq = r.last_seq
WHERE r.again = 1 AND date_diff('day', i.end_date, r.admission_date) BETWEEN 0 AND {last_day}
