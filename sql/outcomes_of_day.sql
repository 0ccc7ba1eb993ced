-- grain: one line in scope of one day with its outcome
-- inputs: fresh_outcome, prior_outcome (the touched days as published), affected; $day
-- output: rows in the order they are published: of this run, and prior ones that it left alone
SELECT fresh_outcome.*
FROM fresh_outcome
WHERE fresh_outcome.period = $day
UNION ALL
SELECT prior_outcome.*
FROM prior_outcome
ANTI JOIN affected
    ON
        prior_outcome.side = affected.side
        AND prior_outcome.feed = affected.feed
        AND prior_outcome.line_id = affected.line_id
WHERE prior_outcome.period = $day
ORDER BY side, feed, line_id, received_on, extract_sha256, row_number
