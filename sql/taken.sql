-- grain: one line that a match or a repetition has consumed
-- inputs: line (for the type of its amount)
-- output: table taken, empty; pass 0 is a repeated delivery, -1 a reversal pair, -2 a match that
--   a person decided; label names a residual, rounding is the part of one of rates that is none;
--   score and reason are of a match that is only suggested; decision is a person's
CREATE OR REPLACE TEMP TABLE taken AS
SELECT
    lid,
    CAST(0 AS INTEGER) AS pass,
    lid AS match_lid,
    lid AS other_lid,
    period AS cleared_on,
    CAST(amount AS DECIMAL(38, 12)) AS residual,
    CAST('' AS VARCHAR) AS label,
    CAST(amount AS DECIMAL(38, 12)) AS rounding,
    CAST('' AS VARCHAR) AS reason,
    CAST(0 AS DECIMAL(5, 4)) AS score,
    CAST(0 AS BIGINT) AS decision
FROM line
LIMIT 0
