-- reads: episodes_read, persons
-- makes: episodes_judged
-- wide: a row holds a whole episode, and many steps read it
-- rule: a valid episode is finished and has a person, a provider, an admission date, both its own dates and a key;
--       admissions are patient classes 1, 2 and 5. The first rule that fails is the reason of the loss.
--       Ages 7001 to 7007 are bands of the first year. Without a main diagnosis (none, R69X, or not of the shape of ICD-10)
--       an episode is uncoded; `codes` is how many diagnoses it has, counted before the person is looked up, so that no text of a
--       diagnosis goes through the join
-- values: loss = unfinished, no_person, no_provider, no_admission_date, no_episode_date, no_key, regular_attender, no_patient_class, kept
-- decision: docs/decisions/0011-episode.md
SELECT e.row, e.load, p.person, e.episode_key, e.provider, e.treatment_site, e.admission_date, e.episode_start, e.episode_end,
    e.discharge_date, coalesce(e.episode_order, 99) AS episode_order, e.patient_class, e.admission_method, e.admission_source,
    e.discharge_method, e.discharge_destination, e.sex,
    CAST(CASE WHEN e.age BETWEEN 7001 AND 7007 THEN 0 WHEN e.age BETWEEN 0 AND 120 THEN e.age END AS SMALLINT) AS age, e.deprivation,
    e.uncoded, e.codes,
    CASE
        WHEN e.episode_status IS NULL OR e.episode_status <> 3 THEN 'unfinished'
        WHEN p.person IS NULL THEN 'no_person'
        WHEN e.provider IS NULL THEN 'no_provider'
        WHEN e.admission_date IS NULL THEN 'no_admission_date'
        WHEN e.episode_start IS NULL OR e.episode_end IS NULL THEN 'no_episode_date'
        WHEN e.episode_key IS NULL THEN 'no_key'
        WHEN e.patient_class IN ('3', '4') THEN 'regular_attender'
        WHEN e.patient_class IS NULL OR e.patient_class NOT IN ('1', '2', '5') THEN 'no_patient_class'
        ELSE 'kept'
    END AS loss
FROM (
    SELECT row, load, person AS token, episode_key, provider, treatment_site, admission_date, episode_start, episode_end, discharge_date,
        episode_order, episode_status, patient_class, admission_method, admission_source, discharge_method, discharge_destination,
        sex, age, deprivation,
        CAST(CASE
            WHEN diag_01 IS NULL OR substr(diag_01, 1, 3) = 'R69' THEN 1
            WHEN substr(diag_01, 1, 1) BETWEEN 'A' AND 'Z' AND substr(diag_01, 2, 1) BETWEEN '0' AND '9'
                AND (substr(diag_01, 3, 1) BETWEEN '0' AND '9' OR substr(diag_01, 3, 1) BETWEEN 'A' AND 'Z') THEN 0
            ELSE 1
        END AS SMALLINT) AS uncoded,
        CAST(CAST(diag_01 IS NOT NULL AS INTEGER) + CAST(diag_02 IS NOT NULL AS INTEGER) + CAST(diag_03 IS NOT NULL AS INTEGER)
            + CAST(diag_04 IS NOT NULL AS INTEGER) + CAST(diag_05 IS NOT NULL AS INTEGER) + CAST(diag_06 IS NOT NULL AS INTEGER)
            + CAST(diag_07 IS NOT NULL AS INTEGER) + CAST(diag_08 IS NOT NULL AS INTEGER) + CAST(diag_09 IS NOT NULL AS INTEGER)
            + CAST(diag_10 IS NOT NULL AS INTEGER) + CAST(diag_11 IS NOT NULL AS INTEGER) + CAST(diag_12 IS NOT NULL AS INTEGER)
            + CAST(diag_13 IS NOT NULL AS INTEGER) + CAST(diag_14 IS NOT NULL AS INTEGER) + CAST(diag_15 IS NOT NULL AS INTEGER)
            + CAST(diag_16 IS NOT NULL AS INTEGER) + CAST(diag_17 IS NOT NULL AS INTEGER) + CAST(diag_18 IS NOT NULL AS INTEGER)
            + CAST(diag_19 IS NOT NULL AS INTEGER) + CAST(diag_20 IS NOT NULL AS INTEGER)
        AS SMALLINT) AS codes
    FROM episodes_read
) AS e
LEFT JOIN persons AS p ON p.token = e.token
