-- grain: one open line of this run that nothing resembles
-- inputs: line, diagnosis
-- output: table residue; fresh: worked by this run; told is what was published of it before
CREATE OR REPLACE TEMP TABLE residue AS
SELECT
    line.side,
    line.feed,
    line.line_id,
    line.extract_sha256,
    line.extract_row AS row_number,
    line.received_on,
    line.entity,
    line.currency,
    line.amount,
    line.period,
    line.account,
    line.keys,
    TRUE AS fresh,
    CAST(NULL AS VARCHAR) AS told
FROM diagnosis
INNER JOIN line ON diagnosis.lid = line.lid
WHERE
    diagnosis.break_class IN ('missing_in_target', 'missing_in_source')
    AND diagnosis.other_lid IS NULL
