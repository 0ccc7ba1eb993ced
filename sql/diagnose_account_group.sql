-- grain: one open source line of a group whose sum stands on an account outside the reconciliation
-- inputs: open_line, loose_line; $pass
-- output: rows of diagnosis
INSERT INTO diagnosis BY NAME
WITH side_sum AS (
    SELECT
        match_key,
        entity,
        currency,
        sum(amount) AS amount,
        count(*) AS lines
    FROM open_line
    WHERE side = 'source'
    GROUP BY match_key, entity, currency
),

elsewhere AS (
    SELECT
        line.keys[$pass] AS match_key,
        line.entity,
        line.currency,
        line.amount,
        arg_min(line.lid, (line.period, line.feed, line.line_id)) AS lid,
        arg_min(line.account_class, (line.period, line.feed, line.line_id)) AS account_class
    FROM loose_line AS line
    WHERE line.side = 'target' AND NOT line.in_scope AND line.keys[$pass] IS NOT NULL
    GROUP BY line.keys[$pass], line.entity, line.currency, line.amount
)

SELECT
    open_line.lid,
    CASE
        WHEN elsewhere.account_class = 'unmapped' THEN 'unmapped_account' ELSE 'account_mismatch'
    END AS break_class,
    elsewhere.lid AS other_lid,
    side_sum.amount AS group_amount,
    side_sum.lines AS group_count,
    TRUE AS group_member
FROM open_line
INNER JOIN side_sum
    ON
        open_line.match_key = side_sum.match_key
        AND open_line.entity = side_sum.entity
        AND open_line.currency = side_sum.currency
INNER JOIN elsewhere
    ON
        side_sum.match_key = elsewhere.match_key
        AND side_sum.entity = elsewhere.entity
        AND side_sum.currency = elsewhere.currency
        AND side_sum.amount = elsewhere.amount
WHERE open_line.side = 'source'
