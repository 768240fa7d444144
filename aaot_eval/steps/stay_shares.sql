-- reads: counted_stays
-- makes: stay_shares
-- rule: long stays by admission date (the default): the whole price in the month of admission
-- decision: docs/decisions/0022-prices.md, docs/decisions/0069-when-a-stay-costs.md
SELECT stay, person, t, 1.0 AS share FROM counted_stays
