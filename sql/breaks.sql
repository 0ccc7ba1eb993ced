-- grain: one line of a period that is a break
-- inputs: period_asked, outcome; $source_through, $target_through (last day delivered of a side)
-- output: the outcome's columns, in order of day, side, feed and line
SELECT outcome.*
FROM outcome
SEMI JOIN period_asked
    ON outcome.period BETWEEN period_asked.first_day AND period_asked.last_day
WHERE
    outcome.outcome = 'open'
    AND outcome.due_on
    <= CASE WHEN outcome.side = 'source' THEN $target_through ELSE $source_through END
ORDER BY
    outcome.period, outcome.side, outcome.feed, outcome.line_id, outcome.received_on,
    outcome.extract_sha256, outcome.row_number
