-- grain: one line in scope that is neither matched nor diagnosed, with its key of one pass
-- inputs: loose_line, diagnosis; $pass
-- output: table open_line
CREATE OR REPLACE TEMP TABLE open_line AS
SELECT
    line.*,
    line.keys[$pass] AS match_key
FROM loose_line AS line
ANTI JOIN diagnosis ON line.lid = diagnosis.lid
WHERE line.in_scope AND line.keys[$pass] IS NOT NULL
