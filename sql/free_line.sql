-- grain: one line in scope that nothing has consumed or explained yet
-- inputs: loose_line, taken, diagnosis, twin; $pass, $grouped (the pass takes lines in groups)
-- output: table free_line with the match key of the pass; lines without one take no part, and in
--   groups none that is there once too often
CREATE OR REPLACE TEMP TABLE free_line AS
SELECT
    line.lid,
    line.side,
    line.feed,
    line.line_id,
    line.entity,
    line.currency,
    line.own_currency,
    line.amount,
    line.period,
    line.received_on,
    line.keys[$pass] AS match_key
FROM loose_line AS line
ANTI JOIN taken ON line.lid = taken.lid
ANTI JOIN diagnosis ON line.lid = diagnosis.lid
ANTI JOIN twin ON line.lid = twin.lid AND $grouped
WHERE line.in_scope AND line.keys[$pass] IS NOT NULL
