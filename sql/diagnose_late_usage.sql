-- grain: one open source line whose group was matched without it, because it came later
-- inputs: open_line, line, taken; $pass
-- output: rows of diagnosis; the other line is the first that the pass has matched under the key
INSERT INTO diagnosis BY NAME
WITH matched AS (
    SELECT
        line.keys[$pass] AS match_key,
        line.entity,
        line.currency,
        min(line.period) AS period,
        arg_min(line.lid, (line.period, line.feed, line.line_id)) AS lid
    FROM line
    INNER JOIN taken ON line.lid = taken.lid AND taken.pass = $pass
    SEMI JOIN open_line ON line.keys[$pass] = open_line.match_key
    WHERE line.side = 'target'
    GROUP BY line.keys[$pass], line.entity, line.currency
)

SELECT
    open_line.lid,
    'late_usage' AS break_class,
    matched.lid AS other_lid,
    NULL AS group_amount,
    1 AS group_count,
    FALSE AS group_member
FROM open_line
INNER JOIN matched
    ON
        open_line.match_key = matched.match_key
        AND open_line.entity = matched.entity
        AND open_line.currency = matched.currency
WHERE open_line.side = 'source' AND open_line.received_on > matched.period
