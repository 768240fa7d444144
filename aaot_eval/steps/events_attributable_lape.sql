-- reads: episodes, attributable_episodes, sites
-- makes: asked_events
-- rule: as the Local Alcohol Profiles count: first finished episodes (order 1, class 1, 2 or 5, sex 1 or 2, age known), each with
--       its fraction, in the month in which the episode ended
-- decision: docs/decisions/0055-attributable-fractions.md
SELECT e.person,
    coalesce(t.site, p.site, CASE
            WHEN substr(e.provider, 2, 1) BETWEEN '0' AND '9' AND substr(e.provider, 3, 1) BETWEEN '0' AND '9'
                AND substr(e.provider, 4, 1) BETWEEN '0' AND '9' AND substr(e.provider, 5, 1) BETWEEN 'A' AND 'Z' THEN e.provider
            WHEN length(e.provider) = 5 THEN substr(e.provider, 1, 3)
            ELSE e.provider
        END) AS site,
    year(e.episode_end) * 12 + month(e.episode_end) - 1 - {first_clock} AS t, CAST(a.{measure} AS DECIMAL(18, 6)) AS amount
FROM episodes AS e
JOIN attributable_episodes AS a ON a.row = e.row
LEFT JOIN sites AS t ON t.site = e.treatment_site
LEFT JOIN sites AS p ON p.site = e.provider
WHERE e.episode_order = 1 AND e.episode_end >= {first_day} AND e.episode_end <= {last_day} AND a.{measure} > 0
