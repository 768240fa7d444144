-- reads: spell_starts
-- makes: spell_members
-- rule: each episode with the number of its spell within person and provider, and whether it is its first or its last
-- decision: docs/decisions/0012-spell.md
SELECT row, person, provider, starts AS is_first,
    CASE WHEN coalesce(lead(starts) OVER (PARTITION BY person, provider ORDER BY place), 1) = 1 THEN 1 ELSE 0 END AS is_last,
    CAST(sum(starts) OVER (PARTITION BY person, provider ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS INTEGER) AS spell_no
FROM spell_starts
