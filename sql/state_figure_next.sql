-- grain: one row that did not become a line, of a window that moved, as it was in a state
-- inputs: removed_line, refused_row, undelivered; $state
-- output: rows of state_figure; line_id as counted_line names such rows
INSERT INTO state_figure BY NAME
SELECT
    CAST($state AS INTEGER) AS state,
    'duplicates' AS figure,
    side,
    feed,
    line_id,
    extract_sha256,
    row_number,
    received_on,
    entity,
    currency,
    period,
    1 AS lines,
    amount
FROM removed_line
WHERE in_scope
UNION ALL BY NAME
SELECT
    CAST($state AS INTEGER) AS state,
    'quarantined' AS figure,
    side,
    feed,
    coalesce(line_id, 'row ' || row_number, '') AS line_id,
    extract_sha256,
    row_number,
    received_on,
    entity,
    currency,
    period,
    1 AS lines,
    amount
FROM refused_row
UNION ALL BY NAME
SELECT
    CAST($state AS INTEGER) AS state,
    'not_in_file' AS figure,
    side,
    feed,
    coalesce(ref, '') AS line_id,
    extract_sha256,
    CAST(NULL AS BIGINT) AS row_number,
    period AS received_on,
    entity,
    currency,
    period,
    lines,
    amount
FROM undelivered
