-- reads: spells, sites
-- makes: site_of
-- rule: the site of a spell is the site of treatment of its first episode when the sites table names it, else the provider
--       as written when the table names that, else the three characters of the provider
-- decision: docs/decisions/0016-site.md
SELECT s.spell, coalesce(t.site, p.site, CASE WHEN length(s.provider) = 5 THEN substr(s.provider, 1, 3) ELSE s.provider END) AS site
FROM spells AS s
LEFT JOIN sites AS t ON t.site = s.treatment_site
LEFT JOIN sites AS p ON p.site = s.provider
