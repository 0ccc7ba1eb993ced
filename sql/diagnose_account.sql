-- grain: one open source line whose posting stands on an account outside the reconciliation
-- inputs: open_line, loose_line; $pass
-- output: rows of diagnosis: the k-th line with the k-th posting of equal key and signed amount
INSERT INTO diagnosis BY NAME
WITH wanting AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY match_key, entity, currency, amount ORDER BY period, feed, line_id
        ) AS kth
    FROM open_line
    WHERE side = 'source'
),

elsewhere AS (
    SELECT
        line.*,
        line.keys[$pass] AS match_key,
        row_number() OVER (
            PARTITION BY line.keys[$pass], line.entity, line.currency, line.amount
            ORDER BY line.period, line.feed, line.line_id
        ) AS kth
    FROM loose_line AS line
    WHERE line.side = 'target' AND NOT line.in_scope AND line.keys[$pass] IS NOT NULL
)

SELECT
    wanting.lid,
    CASE
        WHEN elsewhere.account_class = 'unmapped' THEN 'unmapped_account' ELSE 'account_mismatch'
    END AS break_class,
    elsewhere.lid AS other_lid,
    NULL AS group_amount,
    1 AS group_count,
    FALSE AS group_member
FROM wanting
INNER JOIN elsewhere
    ON
        wanting.match_key = elsewhere.match_key
        AND wanting.entity = elsewhere.entity
        AND wanting.currency = elsewhere.currency
        AND wanting.amount = elsewhere.amount
        AND wanting.kth = elsewhere.kth
