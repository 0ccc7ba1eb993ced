-- grain: one day with outcomes
-- inputs: fresh_outcome
-- output: rows of one day each, in order
SELECT DISTINCT period
FROM fresh_outcome
ORDER BY period
