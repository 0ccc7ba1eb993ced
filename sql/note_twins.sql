-- grain: one free line that equals a line of its own side which this pass has matched singly
-- inputs: loose_line, line, taken; $pass, $sides (sides whose lines the pass takes one by one)
-- output: rows of twin
INSERT INTO twin
SELECT free.lid
FROM loose_line AS free
ANTI JOIN taken AS gone ON free.lid = gone.lid
SEMI JOIN (
    SELECT line.*
    FROM line
    INNER JOIN taken ON line.lid = taken.lid AND taken.pass = $pass
) AS matched
    ON
        free.side = matched.side
        AND free.keys[$pass] = matched.keys[$pass]
        AND free.entity = matched.entity
        AND free.currency = matched.currency
        AND free.amount = matched.amount
WHERE free.in_scope AND list_contains($sides, free.side)
