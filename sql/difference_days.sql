-- grain: one day that a difference, or what stands against it, is dated
-- inputs: difference
-- output: column day, in order
SELECT period AS day
FROM difference
UNION
SELECT other_period AS day
FROM difference
WHERE other_period IS NOT NULL
ORDER BY day
