-- grain: one pair of lines whose references are alike
-- inputs: residue (for the type of its handle)
-- output: table alike, empty; source_row and target_row are handles into residue
CREATE OR REPLACE TEMP TABLE alike AS
SELECT
    rowid AS source_row,
    rowid AS target_row,
    CAST(0 AS INTEGER) AS pass,
    CAST('' AS VARCHAR) AS source_ref,
    CAST('' AS VARCHAR) AS target_ref,
    CAST(0 AS DECIMAL(5, 4)) AS score
FROM residue
LIMIT 0
