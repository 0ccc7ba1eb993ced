-- grain: one pair of facts of two reconciliations that share a source line
-- inputs: fact_line
-- output: rows one_reconciliation, one_fact, other_reconciliation, other_fact; each pair once
SELECT DISTINCT
    one.reconciliation AS one_reconciliation,
    one.fact AS one_fact,
    other.reconciliation AS other_reconciliation,
    other.fact AS other_fact
FROM fact_line AS one
INNER JOIN fact_line AS other
    ON
        one.feed = other.feed
        AND one.line_id = other.line_id
        AND one.reconciliation < other.reconciliation
WHERE one.side = 'source' AND other.side = 'source'
ORDER BY one_reconciliation, one_fact, other_reconciliation, other_fact
