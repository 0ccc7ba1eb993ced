-- grain: one line delivered again by a later extract of its feed
-- inputs: line
-- output: table repeat; first_lid is the delivery that counts, same whether the content agrees
CREATE OR REPLACE TEMP TABLE repeat AS
WITH repeated AS (
    SELECT
        side,
        feed,
        line_id
    FROM line
    GROUP BY side, feed, line_id
    HAVING count(*) > 1
),

ranked AS (
    SELECT
        line.*,
        row_number() OVER (
            PARTITION BY line.side, line.feed, line.line_id
            -- What came too late for a locked month is the repeat, whenever it was received.
            ORDER BY
                line.counted_on > line.period, line.received_on, line.extract_sha256,
                line.extract_row
        ) AS delivery
    FROM line
    INNER JOIN repeated
        ON
            line.side = repeated.side
            AND line.feed = repeated.feed
            AND line.line_id = repeated.line_id
)

SELECT
    again.lid,
    once.lid AS first_lid,
    coalesce(
        again.entity = once.entity
        AND again.currency = once.currency
        AND again.amount = once.amount
        AND again.period = once.period
        AND again.keys IS NOT DISTINCT FROM once.keys
        AND again.account IS NOT DISTINCT FROM once.account
        AND again.in_scope = once.in_scope,
        FALSE
    ) AS same
FROM ranked AS again
INNER JOIN ranked AS once
    ON
        again.side = once.side
        AND again.feed = once.feed
        AND again.line_id = once.line_id
        AND once.delivery = 1
WHERE again.delivery > 1
