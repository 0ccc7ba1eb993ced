-- grain: one open source line whose group was matched without it, because it came later
-- inputs: open_line, line, taken; $pass
-- output: rows of diagnosis
INSERT INTO diagnosis BY NAME
SELECT
    open_line.lid,
    'late_usage' AS break_class,
    arg_min(line.lid, (line.period, line.feed, line.line_id)) AS other_lid,
    NULL AS group_amount,
    1 AS group_count,
    FALSE AS group_member
FROM open_line
INNER JOIN line
    ON
        line.side = 'target'
        AND open_line.match_key = line.keys[$pass]
        AND open_line.entity = line.entity
        AND open_line.currency = line.currency
INNER JOIN taken ON line.lid = taken.lid AND taken.pass = $pass
WHERE open_line.side = 'source' AND open_line.received_on > line.period
GROUP BY open_line.lid
