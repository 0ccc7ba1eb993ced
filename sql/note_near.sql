-- grain: one line of a tie: lines of different amounts that are equally near to one line
-- inputs: near_rank, searched
-- output: rows of searched; found is the number of pairs in the largest tie that the line is in
INSERT INTO searched
WITH tie AS (
    SELECT
        source_lid,
        target_lid,
        count(*) OVER (PARTITION BY source_lid) AS found
    FROM near_rank
    WHERE tied_source AND source_rank = 1
    UNION ALL
    SELECT
        source_lid,
        target_lid,
        count(*) OVER (PARTITION BY target_lid) AS found
    FROM near_rank
    WHERE tied_target AND target_rank = 1
),

member AS (
    SELECT
        source_lid AS lid,
        found
    FROM tie
    UNION ALL
    SELECT
        target_lid AS lid,
        found
    FROM tie
)

SELECT
    member.lid,
    max(member.found) AS found,
    NULL AS search_limit
FROM member
ANTI JOIN searched ON member.lid = searched.lid
GROUP BY member.lid
