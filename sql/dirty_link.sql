-- grain: one key of one line of a changed window
-- inputs: dirty_line, decision_line
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
UNION ALL
SELECT
    dirty_line.side,
    dirty_line.feed,
    dirty_line.line_id,
    'decision=' || decision_line.decision AS link
FROM dirty_line
INNER JOIN decision_line
    ON
        dirty_line.side = decision_line.side
        AND dirty_line.feed = decision_line.feed
        AND dirty_line.line_id = decision_line.line_id
