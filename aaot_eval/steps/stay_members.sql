-- reads: stay_starts
-- makes: stay_members
-- rule: each spell with the number of its stay within the person, and whether it is its first or its last
-- decision: docs/decisions/0013-stay.md
SELECT spell, person, starts AS is_first,
    CASE WHEN coalesce(lead(starts) OVER (PARTITION BY person ORDER BY place), 1) = 1 THEN 1 ELSE 0 END AS is_last,
    CAST(sum(starts) OVER (PARTITION BY person ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS INTEGER) AS stay_no
FROM stay_starts
