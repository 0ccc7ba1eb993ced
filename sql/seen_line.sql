-- grain: one line as a pass sees it (sql/seen_row.sql)
-- inputs: seen_row
-- output: view line, in place of the one over line_row
CREATE OR REPLACE TEMP VIEW line AS
SELECT * FROM seen_row
