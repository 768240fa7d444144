-- reads: episodes_judged
-- makes: lost_months
-- rule: rows that lack what every episode must have, by provider, month and the reason of the loss. The month is that of the admission,
--       else of the first date that the row has
-- decision: docs/decisions/0107-completeness.md
SELECT coalesce(provider, '') AS provider, loss,
    year(coalesce(admission_date, episode_start, episode_end, discharge_date)) * 12
        + month(coalesce(admission_date, episode_start, episode_end, discharge_date)) - 1 AS clock,
    count(*) AS n
FROM episodes_judged
WHERE loss IN ('no_person', 'no_provider', 'no_admission_date', 'no_episode_date', 'no_key', 'no_patient_class')
GROUP BY coalesce(provider, ''), loss,
    year(coalesce(admission_date, episode_start, episode_end, discharge_date)) * 12
        + month(coalesce(admission_date, episode_start, episode_end, discharge_date)) - 1
