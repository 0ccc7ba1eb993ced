-- grain: one line that nothing matched and nothing resembles
-- inputs: loose_line, diagnosis
-- output: rows of diagnosis
INSERT INTO diagnosis BY NAME
SELECT
    line.lid,
    CASE
        WHEN line.side = 'source' THEN 'missing_in_target' ELSE 'missing_in_source'
    END AS break_class,
    NULL AS other_lid,
    NULL AS group_amount,
    1 AS group_count,
    FALSE AS group_member
FROM loose_line AS line
ANTI JOIN diagnosis ON line.lid = diagnosis.lid
WHERE line.in_scope
