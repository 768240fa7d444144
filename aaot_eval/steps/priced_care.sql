-- reads: stay_shares, stay_prices, index_stays, panel_people, counted_attendances, attendance_prices, activity, prices
-- makes: priced_care
-- rule: every priced piece of care of the people of the panel in its month, one line each; the stay of the referral only
--       where it counts
-- decision: docs/decisions/0022-prices.md, docs/decisions/0068-other-activity.md, docs/decisions/0069-when-a-stay-costs.md
SELECT h.person, h.t, p.item, CAST(h.share AS DECIMAL(18, 6)) AS quantity, CAST(h.share * p.price AS DECIMAL(18, 6)) AS price
FROM stay_shares AS h
JOIN stay_prices AS p ON p.stay = h.stay
JOIN panel_people AS w ON w.person = h.person
LEFT JOIN index_stays AS i ON i.stay = h.stay
WHERE i.stay IS NULL
UNION ALL
SELECT a.person, a.t, v.item, CAST(1 AS DECIMAL(18, 6)) AS quantity, v.price
FROM counted_attendances AS a
JOIN attendance_prices AS v ON v.attendance = a.attendance
JOIN panel_people AS w ON w.person = a.person
UNION ALL
SELECT c.person, year(c.activity_date) * 12 + month(c.activity_date) - 1 - {first_clock} AS t, c.item, c.quantity,
    CAST(c.quantity * u.value AS DECIMAL(18, 6)) AS price
FROM activity AS c
JOIN prices AS u ON u.item = c.item
JOIN panel_people AS w ON w.person = c.person
WHERE c.activity_date >= {first_day} AND c.activity_date <= {last_day}
