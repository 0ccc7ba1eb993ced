-- grain: one line of a window that moved, as it was in a later state
-- inputs: one_state (projected lines); $state
-- output: rows of state_line
INSERT INTO state_line
SELECT
    CAST($state AS INTEGER) AS state,
    one_state.*
FROM one_state
