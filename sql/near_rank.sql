-- grain: one pair of lines that are both still free, with its place among the pairs of each line
-- inputs: near_pair, taken
-- output: view near_rank; of_source and of_target count from the nearest (least difference, then
--   nearest date, then name); tied_source and tied_target say that lines of different amounts are
--   equally near, so that the name alone would decide
CREATE OR REPLACE TEMP VIEW near_rank AS
WITH free_pair AS (
    SELECT near_pair.*
    FROM near_pair
    ANTI JOIN taken AS source_taken ON near_pair.source_lid = source_taken.lid
    ANTI JOIN taken AS target_taken ON near_pair.target_lid = target_taken.lid
),

ranked AS (
    SELECT
        *,
        rank() OVER (PARTITION BY source_lid ORDER BY abs(residual), days) AS source_rank,
        rank() OVER (PARTITION BY target_lid ORDER BY abs(residual), days) AS target_rank,
        row_number() OVER (
            PARTITION BY source_lid ORDER BY abs(residual), days, target_name
        ) AS of_source,
        row_number() OVER (
            PARTITION BY target_lid ORDER BY abs(residual), days, source_name
        ) AS of_target
    FROM free_pair
)

SELECT
    *,
    min(CASE WHEN source_rank = 1 THEN residual END) OVER (PARTITION BY source_lid)
    <> max(CASE WHEN source_rank = 1 THEN residual END) OVER (PARTITION BY source_lid)
        AS tied_source,
    min(CASE WHEN target_rank = 1 THEN residual END) OVER (PARTITION BY target_lid)
    <> max(CASE WHEN target_rank = 1 THEN residual END) OVER (PARTITION BY target_lid)
        AS tied_target
FROM ranked
