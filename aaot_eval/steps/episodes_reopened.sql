-- reads: episodes_judged, provider_codes
-- makes: episodes_reopened
-- rule: a stay open on the day of a change is closed under the old code and opened anew under the new one. Such a record was
--       admitted on the day of the change, under the new code, and follows one of the same person under the old code that ended
--       that day or the day before; its true admission date is that of the latter
-- decision: docs/decisions/0053-provider-changes.md
SELECT e.row, min(b.admission_date) AS admission_date
FROM episodes_judged AS e
JOIN provider_codes AS p ON p.new_code = e.provider AND CAST(p.valid_from AS DATE) = e.admission_date
JOIN episodes_judged AS b ON b.person = e.person AND b.provider = p.old_code
WHERE e.loss = 'kept' AND b.loss = 'kept' AND b.admission_date < e.admission_date
    AND date_diff('day', b.episode_end, e.admission_date) IN (0, 1)
GROUP BY e.row
