-- grain: one key of one current line
-- inputs: known_line, decision_line
-- output: view known_link; keys of different passes never meet, journals meet their reversals,
--   lines meet those that a person decided on with them, whether these are known or not
CREATE OR REPLACE TEMP VIEW known_link AS
SELECT
    side,
    feed,
    line_id,
    generate_subscripts(keys, 1) || '=' || unnest(keys) AS link
FROM known_line
UNION ALL
SELECT
    side,
    feed,
    line_id,
    'journal=' || coalesce(reversal_of, journal_ref) AS link
FROM known_line
WHERE journal_ref IS NOT NULL OR reversal_of IS NOT NULL
UNION ALL
SELECT
    side,
    feed,
    line_id,
    'decision=' || decision AS link
FROM decision_line
