-- reads: coded_diagnoses
-- makes: alcohol_episodes
-- rule: an episode is alcohol-specific when any of its diagnoses, in any of the positions looked at, is in the list
-- decision: docs/decisions/0015-alcohol_specific.md, docs/decisions/0051-scottish-stays.md
SELECT DISTINCT row FROM coded_diagnoses WHERE list = 'alcohol_specific' AND position <= {positions}
