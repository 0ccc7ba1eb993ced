-- grain: one day with outcomes
-- inputs: fresh_outcome, settled
-- output: rows of one day each, in order
SELECT period
FROM fresh_outcome
UNION
SELECT period
FROM settled
ORDER BY period
