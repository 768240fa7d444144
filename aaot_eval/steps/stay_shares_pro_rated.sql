-- reads: stays, months
-- makes: stay_shares
-- rule: long stays pro-rated: each month carries the share of the stay's nights that fall in it; a stay without a night belongs
--       to its day. Nights outside the window cost nothing in it
-- decision: docs/decisions/0069-when-a-stay-costs.md
SELECT s.stay, s.person, m.t,
    CASE WHEN s.nights < 1 THEN 1.0 ELSE date_diff('day',
        CASE WHEN s.admission_date > m.first_day THEN s.admission_date ELSE m.first_day END,
        CASE WHEN s.end_date < m.next_day THEN s.end_date ELSE m.next_day END) * 1.0 / s.nights END AS share
FROM stays AS s
JOIN (
    SELECT t, CAST(first_day AS DATE) AS first_day, CAST(next_day AS DATE) AS next_day FROM months
) AS m ON m.first_day <= s.end_date AND m.next_day > s.admission_date
WHERE (s.nights < 1 AND s.admission_date >= m.first_day AND s.admission_date < m.next_day)
    OR (s.nights >= 1 AND s.end_date > m.first_day)
