-- grain: one free line of a group (equal key, entity and currency) that has lines on both sides
-- inputs: free_line
-- output: rows in the order a search takes them in: group by group, sources first
WITH facing AS (
    SELECT
        match_key,
        entity,
        currency
    FROM free_line
    GROUP BY match_key, entity, currency
    HAVING count(DISTINCT side) = 2
)

SELECT
    free_line.match_key,
    free_line.entity,
    free_line.currency,
    free_line.side,
    free_line.lid,
    CAST(free_line.amount AS DECIMAL(38, 12)) AS amount,
    free_line.period
FROM free_line
SEMI JOIN facing
    ON
        free_line.match_key = facing.match_key
        AND free_line.entity = facing.entity
        AND free_line.currency = facing.currency
ORDER BY
    free_line.match_key,
    free_line.entity,
    free_line.currency,
    free_line.side,
    free_line.feed || ' ' || free_line.line_id
