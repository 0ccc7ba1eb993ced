-- grain: one line delivered again with other content
-- inputs: line, repeat
-- output: rows of diagnosis: a duplicate that must not be removed in silence
INSERT INTO diagnosis BY NAME
SELECT
    repeat.lid,
    'duplicate_in_' || line.side AS break_class,
    repeat.first_lid AS other_lid,
    NULL AS group_amount,
    1 AS group_count,
    FALSE AS group_member
FROM repeat
INNER JOIN line ON repeat.lid = line.lid
WHERE NOT repeat.same AND line.in_scope
