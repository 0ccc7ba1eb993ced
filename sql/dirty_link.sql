-- grain: one key of one line of a changed window
-- inputs: dirty_line
-- output: view dirty_link
CREATE OR REPLACE TEMP VIEW dirty_link AS
SELECT
    side,
    feed,
    line_id,
    generate_subscripts(keys, 1) || '=' || unnest(keys) AS link
FROM dirty_line
UNION ALL
SELECT
    side,
    feed,
    line_id,
    'journal=' || coalesce(reversal_of, journal_ref) AS link
FROM dirty_line
WHERE journal_ref IS NOT NULL OR reversal_of IS NOT NULL
