-- grain: one line that nothing matched, and why
-- inputs: line (for the type of its amount)
-- output: table diagnosis, empty
CREATE OR REPLACE TEMP TABLE diagnosis AS
SELECT
    lid,
    CAST('' AS VARCHAR) AS break_class,
    lid AS other_lid,
    CAST(amount AS DECIMAL(38, 12)) AS group_amount,
    CAST(0 AS BIGINT) AS group_count,
    FALSE AS group_member
FROM line
LIMIT 0
