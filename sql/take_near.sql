-- grain: one line of a pair that is each line's nearest, and nearer than every other
-- inputs: near_rank; $pass
-- output: rows of taken
INSERT INTO taken BY NAME
SELECT
    unnest([source_lid, target_lid]) AS lid,
    $pass AS pass,
    source_lid AS match_lid,
    unnest([target_lid, source_lid]) AS other_lid,
    cleared_on,
    unnest([residual, 0]) AS residual,
    unnest([label, NULL]) AS label
FROM near_rank
WHERE of_source = 1 AND of_target = 1 AND NOT tied_source AND NOT tied_target
