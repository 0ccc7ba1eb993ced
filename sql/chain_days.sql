-- grain: one day of the chain whose outcomes may change
-- inputs: first_outcome (all days), second_dirty (changed days of the second link)
-- output: rows of one day each
SELECT DISTINCT first_outcome.period
FROM first_outcome
SEMI JOIN second_dirty
    ON
        first_outcome.counterpart_feed = second_dirty.feed
        AND first_outcome.counterpart = second_dirty.line_id
WHERE first_outcome.side = 'source' AND first_outcome.outcome = 'matched'
