-- grain: one line of either side that this run works on
-- inputs: line_row
-- output: view line; lid is a handle of this run alone and never published
CREATE OR REPLACE TEMP VIEW line AS
SELECT
    rowid AS lid,
    *,
    currency AS own_currency,
    CAST(NULL AS DECIMAL(38, 12)) AS fx_rounding
FROM line_row
