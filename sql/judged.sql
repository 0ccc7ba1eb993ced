-- grain: one open line whose nearest in reference may be another than when last published
-- inputs: residue, missing_before; $reach (days within which lines of equal amount may depend on
--   each other: twice the widest window)
-- output: table judged: handles into residue
CREATE OR REPLACE TEMP TABLE judged AS
WITH changed AS (
    SELECT
        entity,
        currency,
        amount,
        period - CAST($reach AS INTEGER) AS first_period,
        period + CAST($reach AS INTEGER) AS last_period
    FROM residue
    WHERE fresh
    UNION
    SELECT
        entity,
        currency,
        amount,
        period - CAST($reach AS INTEGER) AS first_period,
        period + CAST($reach AS INTEGER) AS last_period
    FROM missing_before
    WHERE again
)

SELECT rowid AS line_row
FROM residue
WHERE fresh
UNION
SELECT residue.rowid AS line_row
FROM residue
INNER JOIN changed
    ON
        residue.entity = changed.entity
        AND residue.currency = changed.currency
        AND residue.amount = changed.amount
WHERE residue.period BETWEEN changed.first_period AND changed.last_period
