-- grain: one day with a line of a fact
-- inputs: fact_line
-- output: column day, in order
SELECT DISTINCT period AS day
FROM fact_line
ORDER BY day
