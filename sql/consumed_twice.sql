-- grain: one line that is in more than one match, or whose match is not whole
-- inputs: taken, line
-- output: rows feed, line_id, problem; none, unless a pass is at fault: a line is taken once, and
--   the line that stands for its match and its counterpart are taken by the same match
WITH twice AS (
    SELECT
        lid,
        'in ' || count(*) || ' matches' AS problem
    FROM taken
    GROUP BY lid
    HAVING count(*) > 1
),

torn AS (
    SELECT
        taken.lid,
        'in a match that lacks its other lines' AS problem
    FROM taken
    LEFT JOIN taken AS first_one
        ON
            taken.match_lid = first_one.lid
            AND taken.pass = first_one.pass
            AND taken.match_lid = first_one.match_lid
    LEFT JOIN taken AS other
        ON
            taken.other_lid = other.lid
            AND taken.pass = other.pass
            AND taken.match_lid = other.match_lid
    WHERE taken.pass <> 0 AND (first_one.lid IS NULL OR other.lid IS NULL)
),

problem AS (
    FROM twice
    UNION ALL
    FROM torn
)

SELECT
    line.feed,
    line.line_id,
    problem.problem
FROM problem
INNER JOIN line ON problem.lid = line.lid
ORDER BY line.feed, line.line_id, problem.problem
LIMIT 1000
