-- grain: one line that a search found several explanations for, or could not search for
-- inputs: line (for the type of its handle)
-- output: table searched, empty; found counts the explanations, search_limit says what ended it
CREATE OR REPLACE TEMP TABLE searched AS
SELECT
    lid,
    CAST(0 AS BIGINT) AS found,
    CAST('' AS VARCHAR) AS search_limit
FROM line
LIMIT 0
