-- reads: attendances, attendances_read
-- makes: attendances_copied
-- rule: two attendances of one person with the same provider, day, first diagnosis and first treatment, of which something is recorded,
--       at most 60 minutes apart are one, and so are those of a chain; the last load stays, then the latest key. Only of files
--       that hold arrival time, diagnosis and treatment
-- decision: docs/decisions/0141-repeated-attendances.md
SELECT attendance
FROM (
    SELECT attendance, row_number() OVER (
        PARTITION BY person, provider, arrival_date, diagnosis, treatment, chain
        ORDER BY load DESC, attendance_key DESC
    ) AS place
    FROM (
        SELECT attendance, person, provider, arrival_date, diagnosis, treatment, load, attendance_key, sum(begins) OVER (
            PARTITION BY person, provider, arrival_date, diagnosis, treatment
            ORDER BY minute, attendance_key
        ) AS chain
        FROM (
            SELECT attendance, person, provider, arrival_date, diagnosis, treatment, load, attendance_key, minute, CASE
                WHEN minute - lag(minute) OVER (
                    PARTITION BY person, provider, arrival_date, diagnosis, treatment
                    ORDER BY minute, attendance_key
                ) <= 60 THEN 0
                ELSE 1
            END AS begins
            FROM (
                SELECT attendance, person, provider, arrival_date, diagnosis, treatment, load, attendance_key,
                    CASE WHEN substr(clock, 1, 2) BETWEEN '00' AND '23' AND substr(clock, 2, 1) BETWEEN '0' AND '9'
                        AND substr(clock, 3, 1) BETWEEN '0' AND '5' AND substr(clock, 4, 1) BETWEEN '0' AND '9'
                        THEN CAST(substr(clock, 1, 2) AS INTEGER) * 60 + CAST(substr(clock, 3, 2) AS INTEGER)
                    END AS minute
                FROM (
                    SELECT a.attendance, a.person, r.provider, a.arrival_date, coalesce(r.diagnosis_1, '') AS diagnosis,
                        coalesce(r.treatment_1, '') AS treatment, r.load, r.attendance_key,
                        CASE
                            WHEN length(replace(r.arrival_time, ':', '')) IN (5, 6)
                                THEN substr(lpad(replace(r.arrival_time, ':', ''), 6, '0'), 1, 4)
                            WHEN length(replace(r.arrival_time, ':', '')) BETWEEN 1 AND 4
                                THEN lpad(replace(r.arrival_time, ':', ''), 4, '0')
                        END AS clock
                    FROM attendances AS a
                    JOIN (
                        SELECT person, arrival_date
                        FROM attendances
                        WHERE person >= 0
                        GROUP BY person, arrival_date
                        HAVING count(*) > 1
                    ) AS twice ON twice.person = a.person AND twice.arrival_date = a.arrival_date
                    JOIN attendances_read AS r ON r.row = a.row
                    WHERE CAST(r.load AS VARCHAR) IN ({loads}) AND (r.diagnosis_1 IS NOT NULL OR r.treatment_1 IS NOT NULL)
                ) AS told
            ) AS timed
            WHERE minute IS NOT NULL
        ) AS met
    ) AS chained
) AS ranked
WHERE place > 1
