-- grain: one open line that several sets of lines explain equally well
-- inputs: loose_line, searched, diagnosis
-- output: rows of diagnosis; group_count is the number of sets found
INSERT INTO diagnosis BY NAME
SELECT
    line.lid,
    'ambiguous' AS break_class,
    NULL AS other_lid,
    NULL AS group_amount,
    searched.found AS group_count,
    FALSE AS group_member
FROM loose_line AS line
INNER JOIN searched ON line.lid = searched.lid
ANTI JOIN diagnosis ON line.lid = diagnosis.lid
WHERE line.in_scope AND searched.found > 0
