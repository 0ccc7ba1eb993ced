-- grain: one subject whose lines, or what became of them, may have changed since last looked at
-- inputs: awaited (entity, kind, ref), carried_line (entity, kind, ref of lines in what changed)
-- output: rows entity, kind, ref
SELECT DISTINCT
    awaited.entity,
    awaited.kind,
    awaited.ref
FROM awaited
SEMI JOIN carried_line
    ON
        awaited.entity = carried_line.entity
        AND awaited.kind = carried_line.kind
        AND awaited.ref = carried_line.ref
ORDER BY ALL
