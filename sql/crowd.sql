-- grain: one key under which so many lines are open on both sides that not every pair is looked at
-- inputs: open_line, diagnosis; $most (pairs)
-- output: table crowd, with the number of lines
CREATE OR REPLACE TEMP TABLE crowd AS
SELECT
    open_line.match_key,
    count(*) AS lines
FROM open_line
ANTI JOIN diagnosis ON open_line.lid = diagnosis.lid
GROUP BY open_line.match_key
HAVING
    count(*) FILTER (WHERE open_line.side = 'source')
    * count(*) FILTER (WHERE open_line.side = 'target') > $most
