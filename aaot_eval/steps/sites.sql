-- reads: sites_read
-- makes: sites
-- rule: the sites table as given
-- decision: docs/decisions/0016-site.md
SELECT site, go_live, stopped, population, beds, sdec_from FROM sites_read
