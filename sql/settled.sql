-- grain: one line of a locked month whose outcome was signed for good: matched by then, or a repeat
-- inputs: locked_outcome (published outcomes), locked_through (entity, last_day)
-- output: table settled, in the columns of the outcomes
CREATE OR REPLACE TEMP TABLE settled AS
SELECT locked_outcome.*
FROM locked_outcome
INNER JOIN locked_through
    ON
        locked_outcome.entity = locked_through.entity
        AND locked_outcome.period <= locked_through.last_day
WHERE
    locked_outcome.outcome = 'duplicate'
    OR (locked_outcome.outcome = 'matched' AND locked_outcome.cleared_on <= locked_through.last_day)
