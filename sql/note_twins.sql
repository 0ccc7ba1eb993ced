-- grain: one free line that equals a line of its own side which this pass has matched singly
-- inputs: loose_line, line, taken; $pass, $sides (sides whose lines the pass takes one by one)
-- output: rows of twin
INSERT INTO twin
SELECT DISTINCT free.lid
FROM loose_line AS free
ANTI JOIN taken AS gone ON free.lid = gone.lid
INNER JOIN line
    ON
        free.side = line.side
        AND free.keys[$pass] = line.keys[$pass]
        AND free.entity = line.entity
        AND free.currency = line.currency
        AND free.amount = line.amount
INNER JOIN taken ON line.lid = taken.lid AND taken.pass = $pass
WHERE free.in_scope AND list_contains($sides, free.side)
