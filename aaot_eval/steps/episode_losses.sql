-- reads: episodes_judged, episodes_repeated, episodes_copied
-- makes: episode_losses
-- rule: each row read with the one reason for which it left, or `kept`
-- values: reason = unfinished, no_person, no_provider, no_admission_date, no_episode_date, no_key, regular_attender, no_patient_class, private, repeated, copied, kept
-- decision: docs/decisions/0011-episode.md
SELECT e.row, e.person,
    CASE
        WHEN e.loss <> 'kept' THEN e.loss
        WHEN r.row IS NOT NULL THEN 'repeated'
        WHEN c.row IS NOT NULL THEN 'copied'
        ELSE 'kept'
    END AS reason
FROM episodes_judged AS e
LEFT JOIN episodes_repeated AS r ON r.row = e.row
LEFT JOIN episodes_copied AS c ON c.row = e.row
