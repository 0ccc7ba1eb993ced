-- grain: one line that was open and resembled nothing when last published, of the days around
-- inputs: near_outcome (days so near that their lines may be alike), affected
-- output: table missing_before; again: this run works the line, so it may be so no longer
CREATE OR REPLACE TEMP TABLE missing_before AS
SELECT
    near_outcome.*,
    affected.line_id IS NOT NULL AS again
FROM near_outcome
LEFT JOIN affected
    ON
        near_outcome.side = affected.side
        AND near_outcome.feed = affected.feed
        AND near_outcome.line_id = affected.line_id
WHERE
    near_outcome.outcome = 'open'
    AND near_outcome.break_class IN ('missing_in_target', 'missing_in_source')
    AND (near_outcome.counterpart IS NULL OR near_outcome.score IS NOT NULL)
