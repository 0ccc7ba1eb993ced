-- grain: one free line that equals a line of its own side which a pass has matched singly
-- inputs: line (for the type of its handle)
-- output: table twin, empty: it is there once too often, and no group may absorb it
CREATE OR REPLACE TEMP TABLE twin AS
SELECT lid
FROM line
LIMIT 0
