-- reads: counted_stays, counted_attendances, attendances, sites
-- makes: asked_events
-- rule: emergency stays, and from the day on which a site moved its same-day emergency care the attendances of type 05 there,
--       unless the same person has an emergency admission on that day (then it was one visit)
-- decision: docs/decisions/0054-same-day-care.md
SELECT person, site, t, 1.0 AS amount
FROM counted_stays
WHERE emergency = 1
UNION ALL
SELECT c.person, c.site, c.t, 1.0 AS amount
FROM counted_attendances AS c
JOIN attendances AS a ON a.attendance = c.attendance
JOIN sites AS s ON s.site = c.site
LEFT JOIN (SELECT DISTINCT person, admission_date FROM counted_stays WHERE emergency = 1) AS y
    ON y.person = c.person AND y.admission_date = a.arrival_date
WHERE a.department IN ('05', '5') AND a.arrival_date >= s.sdec_from AND y.person IS NULL
