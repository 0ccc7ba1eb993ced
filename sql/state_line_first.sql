-- grain: one line of a window that moved, as it was in the first state that a lock knows
-- inputs: one_state (projected lines); $state
-- output: table state_line
CREATE OR REPLACE TEMP TABLE state_line AS
SELECT
    CAST($state AS INTEGER) AS state,
    one_state.*
FROM one_state
