-- grain: one line this run works on
-- inputs: known_line (current lines of both sides), affected
-- output: view working_line
CREATE OR REPLACE TEMP VIEW working_line AS
SELECT known_line.*
FROM known_line
SEMI JOIN affected
    ON
        known_line.side = affected.side
        AND known_line.feed = affected.feed
        AND known_line.line_id = affected.line_id
