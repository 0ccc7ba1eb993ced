-- grain: one open line that equals a line of its own side which this pass has matched
-- inputs: open_line, line, taken; $pass, $sides (sides whose lines the pass takes one by one)
-- output: rows of diagnosis; the other line is the first of its equals
INSERT INTO diagnosis BY NAME
WITH matched AS (
    SELECT
        line.side,
        line.keys[$pass] AS match_key,
        line.entity,
        line.currency,
        line.amount,
        arg_min(line.lid, (line.period, line.feed, line.line_id)) AS lid
    FROM line
    INNER JOIN taken ON line.lid = taken.lid AND taken.pass = $pass
    SEMI JOIN open_line ON line.side = open_line.side AND line.keys[$pass] = open_line.match_key
    WHERE list_contains($sides, line.side)
    GROUP BY line.side, line.keys[$pass], line.entity, line.currency, line.amount
)

SELECT
    open_line.lid,
    'duplicate_in_' || open_line.side AS break_class,
    matched.lid AS other_lid,
    NULL AS group_amount,
    1 AS group_count,
    FALSE AS group_member
FROM open_line
INNER JOIN matched
    ON
        open_line.side = matched.side
        AND open_line.match_key = matched.match_key
        AND open_line.entity = matched.entity
        AND open_line.currency = matched.currency
        AND open_line.amount = matched.amount
