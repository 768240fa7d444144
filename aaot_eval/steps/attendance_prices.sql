-- reads: attendances, prices
-- makes: attendance_prices
-- rule: an attendance costs the price of its type of department where there is one, else that of any attendance; without
--       either it has no price
-- decision: docs/decisions/0068-other-activity.md
SELECT a.attendance, CASE WHEN t.value IS NULL THEN 'ed_attendance' ELSE t.item END AS item,
    CAST(coalesce(t.value, p.value) AS DECIMAL(18, 6)) AS price
FROM attendances AS a
LEFT JOIN prices AS t ON t.item = CASE
    WHEN a.department IN ('01', '1') THEN 'ed_attendance_type_1'
    WHEN a.department IN ('02', '2') THEN 'ed_attendance_type_2'
    WHEN a.department IN ('03', '3') THEN 'ed_attendance_type_3'
    WHEN a.department IN ('04', '4') THEN 'ed_attendance_type_4'
    WHEN a.department IN ('05', '5') THEN 'ed_attendance_type_5'
END
LEFT JOIN prices AS p ON p.item = 'ed_attendance'
