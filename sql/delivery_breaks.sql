-- grain: one delivery break of a feed of the reconciliation
-- inputs: source_delivery, target_delivery, period_asked
-- output: rows side, first_day, last_day and the columns of the deliveries, in order
WITH delivery AS (
    SELECT
        'source' AS side,
        *
    FROM source_delivery
    UNION ALL
    SELECT
        'target' AS side,
        *
    FROM target_delivery
)

SELECT
    period_asked.first_day,
    period_asked.last_day,
    delivery.*
FROM period_asked
INNER JOIN delivery
    ON delivery.received_on BETWEEN period_asked.first_day AND period_asked.last_day
WHERE delivery.break_class IS NOT NULL
ORDER BY ALL
