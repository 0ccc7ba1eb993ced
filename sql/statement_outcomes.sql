-- grain: one figure a period, entity, currency, side and row of the statement that explains
-- inputs: period_asked, outcome; $source_through, $target_through (last day delivered of a side)
-- output: rows first_day, last_day, entity, currency, side, figure, break_class, lines, amount,
--   weight; what the other side may still answer is timing, what it can no longer is a break
WITH judged AS (
    SELECT
        period_asked.first_day,
        period_asked.last_day,
        outcome.entity,
        outcome.currency,
        outcome.side,
        outcome.amount,
        CASE
            WHEN outcome.outcome = 'duplicate' THEN 'duplicates'
            WHEN outcome.outcome = 'matched' AND outcome.cleared_on <= period_asked.last_day
                THEN 'matched'
            WHEN outcome.outcome = 'matched' THEN 'matched_in_transit'
            WHEN
                outcome.due_on
                > CASE WHEN outcome.side = 'source' THEN $target_through ELSE $source_through END
                THEN 'timing'
            ELSE 'breaks'
        END AS figure,
        outcome.break_class
    FROM period_asked
    INNER JOIN outcome
        ON outcome.period BETWEEN period_asked.first_day AND period_asked.last_day
)

SELECT
    first_day,
    last_day,
    entity,
    currency,
    side,
    figure,
    CASE WHEN figure = 'breaks' THEN break_class END AS break_class,
    count(*) AS lines,
    CAST(sum(amount) AS DECIMAL(38, 12)) AS amount,
    CAST(sum(abs(amount)) AS DECIMAL(38, 12)) AS weight
FROM judged
GROUP BY ALL
ORDER BY ALL
