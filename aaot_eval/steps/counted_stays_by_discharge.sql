-- reads: stays
-- makes: counted_stays
-- view of: stays
-- rule: stays that end in the window, in the month in which they end (the Scottish rule and that of yearly files); nothing else
--       differs from counting by admission
-- decision: docs/decisions/0051-scottish-stays.md
SELECT stay, person, provider, stay_key, site, CAST(year(end_date) * 12 + month(end_date) - 1 - {first_clock} AS INTEGER) AS t,
    admission_date, end_date, emergency,
    CAST(CASE WHEN emergency = 1 AND alcohol_specific = 1 THEN 1 ELSE 0 END AS SMALLINT) AS alcohol_specific_emergency,
    CAST(CASE WHEN emergency = 1 AND alcohol_specific = 0 THEN 1 ELSE 0 END AS SMALLINT) AS non_alcohol_emergency,
    nights AS bed_days, sex, age
FROM stays
WHERE end_date >= {first_day} AND end_date <= {last_day}
