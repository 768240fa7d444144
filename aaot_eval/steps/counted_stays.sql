-- reads: stays
-- makes: counted_stays
-- view of: stays
-- rule: stays that begin in the window, with their month as a number from 0; the month is that of the admission
-- decision: docs/decisions/0013-stay.md
SELECT stay, person, provider, stay_key, site, CAST(year(admission_date) * 12 + month(admission_date) - 1 - {first_clock} AS INTEGER) AS t,
    admission_date, end_date, emergency,
    CAST(CASE WHEN emergency = 1 AND alcohol_specific = 1 THEN 1 ELSE 0 END AS SMALLINT) AS alcohol_specific_emergency,
    CAST(CASE WHEN emergency = 1 AND alcohol_specific = 0 THEN 1 ELSE 0 END AS SMALLINT) AS non_alcohol_emergency,
    nights AS bed_days, sex, age
FROM stays
WHERE admission_date >= {first_day} AND admission_date <= {last_day}
