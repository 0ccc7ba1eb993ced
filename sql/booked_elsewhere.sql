-- grain: one fact of another reconciliation whose source lines take part in this one too
-- inputs: fact_line, outcome (of this reconciliation); $reconciliation (this one), $target_through
-- output: how many of its source lines have a posting here (matched, or a break with one), and how
--   many still wait for an answer
SELECT
    fact_line.reconciliation,
    fact_line.fact,
    count(*) FILTER (
        WHERE
        outcome.outcome = 'matched'
        OR (outcome.due_on <= $target_through AND outcome.break_class <> 'missing_in_target')
    ) AS booked,
    count(*) FILTER (WHERE outcome.outcome = 'open' AND outcome.due_on > $target_through) AS waiting
FROM fact_line
INNER JOIN outcome
    ON
        fact_line.feed = outcome.feed
        AND fact_line.line_id = outcome.line_id
        AND outcome.side = 'source'
WHERE fact_line.side = 'source' AND fact_line.reconciliation <> $reconciliation
GROUP BY fact_line.reconciliation, fact_line.fact
ORDER BY fact_line.reconciliation, fact_line.fact
