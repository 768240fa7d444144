-- reads: spells, sites
-- makes: site_codes
-- few: site
-- rule: the site of every code of a place, as a provider and as a site of treatment. As a provider: as the sites table names it, else
--       the three characters of the provider; a Scottish hospital (a letter, three digits, a letter) stays as it is. As a site of
--       treatment: only what the sites table names
-- decision: docs/decisions/0016-site.md
SELECT f.provider, NULL AS treatment_site,
    coalesce(s.site, CASE
            WHEN substr(f.provider, 2, 1) BETWEEN '0' AND '9' AND substr(f.provider, 3, 1) BETWEEN '0' AND '9'
                AND substr(f.provider, 4, 1) BETWEEN '0' AND '9' AND substr(f.provider, 5, 1) BETWEEN 'A' AND 'Z' THEN f.provider
            WHEN length(f.provider) = 5 THEN substr(f.provider, 1, 3)
            ELSE f.provider
        END) AS site
FROM (SELECT DISTINCT provider FROM spells) AS f
LEFT JOIN sites AS s ON s.site = f.provider
UNION ALL
SELECT NULL AS provider, f.treatment_site, s.site
FROM (SELECT DISTINCT treatment_site FROM spells) AS f
JOIN sites AS s ON s.site = f.treatment_site
