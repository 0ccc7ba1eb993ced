-- grain: one line that a match or a repetition has consumed
-- inputs: line (for the type of its amount)
-- output: table taken, empty; pass 0 is a repeated delivery, -1 a reversal pair
CREATE OR REPLACE TEMP TABLE taken AS
SELECT
    lid,
    CAST(0 AS INTEGER) AS pass,
    lid AS match_lid,
    lid AS other_lid,
    period AS cleared_on,
    CAST(amount AS DECIMAL(38, 12)) AS residual
FROM line
LIMIT 0
