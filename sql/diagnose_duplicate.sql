-- grain: one open line that equals a line of its own side which this pass has matched
-- inputs: open_line, line, taken; $pass, $sides (sides whose lines the pass takes one by one)
-- output: rows of diagnosis
INSERT INTO diagnosis BY NAME
SELECT
    open_line.lid,
    'duplicate_in_' || any_value(open_line.side) AS break_class,
    arg_min(line.lid, (line.period, line.feed, line.line_id)) AS other_lid,
    NULL AS group_amount,
    1 AS group_count,
    FALSE AS group_member
FROM open_line
INNER JOIN line
    ON
        open_line.side = line.side
        AND open_line.match_key = line.keys[$pass]
        AND open_line.entity = line.entity
        AND open_line.currency = line.currency
        AND open_line.amount = line.amount
INNER JOIN taken ON line.lid = taken.lid AND taken.pass = $pass
WHERE list_contains($sides, open_line.side)
GROUP BY open_line.lid
