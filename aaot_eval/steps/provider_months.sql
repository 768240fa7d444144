-- reads: episodes
-- makes: provider_months
-- rule: how complete and how deep the records of each provider are, by month of admission: episodes, their diagnoses, and those without a main
--       diagnosis, a method or a source of admission, a way, a destination or a date of the discharge that they have, sex, age or site
--       of treatment; and those that end on the day of admission. A method outside the published set
--       is none, for nobody can tell whether it was an emergency; 98 and 99 mean not applicable and not known, 9 of a sex not stated
-- decision: docs/decisions/0107-completeness.md
SELECT provider, year(admission_date) * 12 + month(admission_date) - 1 AS clock, count(*) AS n, sum(codes) AS codes, sum(uncoded) AS uncoded,
    count(CASE WHEN admission_method IS NULL OR admission_method NOT IN ({methods}) THEN 1 END) AS no_method,
    count(CASE WHEN admission_source IS NULL OR admission_source IN ('98', '99') THEN 1 END) AS no_source,
    count(CASE WHEN discharge_date IS NOT NULL THEN 1 END) AS ended,
    count(CASE WHEN discharge_method IN ('1', '2', '3', '4', '5', '6', '7') THEN 1 END) AS sent_out,
    count(CASE WHEN discharge_date IS NULL AND discharge_method IN ('1', '2', '3', '4', '5', '6', '7') THEN 1 END) AS no_leaving,
    count(CASE WHEN discharge_date IS NOT NULL AND (discharge_method IS NULL OR discharge_method = '9') THEN 1 END) AS no_way_out,
    count(CASE WHEN discharge_date IS NOT NULL AND (discharge_destination IS NULL OR discharge_destination = '99') THEN 1 END)
        AS no_destination,
    count(CASE WHEN sex IS NULL OR sex IN ('0', '9') THEN 1 END) AS no_sex,
    count(CASE WHEN age IS NULL THEN 1 END) AS no_age,
    count(CASE WHEN treatment_site IS NULL THEN 1 END) AS no_site,
    count(CASE WHEN episode_order = 99 THEN 1 END) AS no_order,
    count(CASE WHEN discharge_date = admission_date THEN 1 END) AS same_day
FROM episodes
GROUP BY provider, year(admission_date) * 12 + month(admission_date) - 1
