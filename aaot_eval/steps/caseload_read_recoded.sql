-- reads: caseload_read, provider_codes
-- makes: caseload_read
-- rule: a referral at an old code belongs to the site that has the new one
-- decision: docs/decisions/0053-provider-changes.md
SELECT k.load, k.row, k.person, coalesce(c.code, k.site) AS site, k.referred, k.started, k.ended, k.reason, k.arm
FROM caseload_read AS k
LEFT JOIN provider_codes AS c ON c.old_code = k.site
