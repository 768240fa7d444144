-- reads: stays, stay_codes
-- makes: stays_in_turn
-- rule: the stays of a person in turn, each with the last stay before it from which one can be readmitted: not a day case and
--       not ended by death. `again` = 1 when the stay itself can be a readmission: an emergency, not obstetric by its main
--       diagnosis, and without a cancer code
-- decision: docs/decisions/0056-further-outcomes.md
SELECT stay, person, site, admission_date, end_date, indexed, again, seq,
    max(CASE WHEN indexed = 1 THEN seq END) OVER (
        PARTITION BY person ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS last_seq
FROM (
    SELECT s.stay, s.person, s.site, s.admission_date, s.end_date,
        CASE WHEN s.day_case = 0 AND s.died = 0 THEN 1 ELSE 0 END AS indexed,
        CASE WHEN s.emergency = 1 AND b.stay IS NULL THEN 1 ELSE 0 END AS again,
        row_number() OVER (PARTITION BY s.person ORDER BY s.admission_date, s.end_date, s.provider, s.stay_key) AS seq
    FROM stays AS s
    LEFT JOIN (
        SELECT DISTINCT stay FROM stay_codes WHERE list = 'cancer' OR (list = 'obstetric' AND main = 1)
    ) AS b ON b.stay = s.stay
) AS numbered
