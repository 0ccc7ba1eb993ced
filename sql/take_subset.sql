-- grain: one line of a set whose sums agree and that no other set shares a line with
-- inputs: found_set (what a search found); $pass
-- output: rows of taken
INSERT INTO taken BY NAME
SELECT
    lid,
    $pass AS pass,
    match_lid,
    other_lid,
    cleared_on,
    0 AS residual
FROM found_set
