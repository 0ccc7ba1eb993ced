-- grain: one line that nothing has consumed yet, whether in scope or not
-- inputs: line, taken
-- output: table loose_line: the small rest that the later statements look at again and again
CREATE OR REPLACE TEMP TABLE loose_line AS
SELECT line.*
FROM line
ANTI JOIN taken ON line.lid = taken.lid
