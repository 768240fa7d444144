-- reads: persons
-- makes: one_off_people
-- rule: keys that the source makes for one record alone: they begin as the config says and are never linked to anything
-- decision: docs/decisions/0052-one-off-ids.md
SELECT person FROM persons WHERE substr(token, 1, {length}) IN ({begins})
