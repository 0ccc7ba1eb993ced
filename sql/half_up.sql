-- grain: one amount
-- inputs: amount (exact decimal), digits (of the currency's minor unit)
-- output: macro half_up: rounded to the minor unit, halves away from zero, exactly
CREATE OR REPLACE TEMP MACRO half_up(amount, digits) AS -- noqa: CP05
CAST(
    CASE digits
        WHEN 0 THEN CAST(CAST(amount AS DECIMAL(38, 0)) AS DECIMAL(38, 12))
        WHEN 2 THEN CAST(CAST(amount AS DECIMAL(38, 2)) AS DECIMAL(38, 12))
        WHEN 3 THEN CAST(CAST(amount AS DECIMAL(38, 3)) AS DECIMAL(38, 12))
        WHEN 4 THEN CAST(CAST(amount AS DECIMAL(38, 4)) AS DECIMAL(38, 12))
    END AS DECIMAL(38, 12)
)
