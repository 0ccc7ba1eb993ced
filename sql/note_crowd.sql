-- grain: one open line whose key has too many of them
-- inputs: open_line, diagnosis, crowd, searched
-- output: rows of searched: what ended the search for its counterpart
INSERT INTO searched
SELECT
    open_line.lid,
    0 AS found,
    crowd.lines || ' lines are open under one key, too many to hold each against each'
        AS search_limit
FROM open_line
INNER JOIN crowd ON open_line.match_key = crowd.match_key
ANTI JOIN diagnosis ON open_line.lid = diagnosis.lid
ANTI JOIN searched ON open_line.lid = searched.lid
