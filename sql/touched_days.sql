-- grain: one day whose outcomes may change
-- inputs: known_line, dirty_line, affected
-- output: rows of one day each, in order
SELECT DISTINCT known_line.counted_on AS period
FROM known_line
SEMI JOIN affected
    ON
        known_line.side = affected.side
        AND known_line.feed = affected.feed
        AND known_line.line_id = affected.line_id
UNION
SELECT DISTINCT period
FROM dirty_line
ORDER BY period
