-- grain: one row that did not become a line, of a window that moved, as it was in a state
-- inputs: removed_line, refused_row, undelivered; $state
-- output: rows of state_figure
INSERT INTO state_figure
SELECT
    CAST($state AS INTEGER) AS state,
    'duplicates' AS figure,
    side,
    entity,
    currency,
    period,
    1 AS lines,
    amount
FROM removed_line
WHERE in_scope
UNION ALL
SELECT
    CAST($state AS INTEGER) AS state,
    'quarantined' AS figure,
    side,
    entity,
    currency,
    period,
    1 AS lines,
    amount
FROM refused_row
UNION ALL
SELECT
    CAST($state AS INTEGER) AS state,
    'not_in_file' AS figure,
    side,
    entity,
    currency,
    period,
    lines,
    amount
FROM undelivered
