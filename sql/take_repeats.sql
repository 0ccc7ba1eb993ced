-- grain: one line delivered again
-- inputs: line, repeat
-- output: rows of taken with pass 0, so that no pass sees a second delivery
INSERT INTO taken BY NAME
SELECT
    repeat.lid,
    0 AS pass,
    repeat.first_lid AS match_lid,
    repeat.first_lid AS other_lid,
    line.period AS cleared_on,
    0 AS residual
FROM repeat
INNER JOIN line ON repeat.lid = line.lid
