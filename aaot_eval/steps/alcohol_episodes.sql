-- reads: alcohol_diagnoses
-- makes: alcohol_episodes
-- rule: an episode is alcohol-specific when any of its diagnoses, in any position, is in the list
-- decision: docs/decisions/0015-alcohol_specific.md
SELECT DISTINCT row FROM alcohol_diagnoses
