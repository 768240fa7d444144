-- reads: episodes_judged, episodes_repeated, episodes_copied
-- makes: episodes_lost
-- rule: each row that left, with the one reason for which it did
-- decision: docs/decisions/0011-episode.md
SELECT row, person, CAST(loss AS VARCHAR) AS reason FROM episodes_judged WHERE loss <> 'kept'
UNION ALL
SELECT row, person, 'repeated' AS reason FROM episodes_repeated
UNION ALL
SELECT row, person, 'copied' AS reason FROM episodes_copied
