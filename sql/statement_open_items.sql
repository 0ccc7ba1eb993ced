-- grain: one figure a period, entity, currency and side of the roll-forward of open items
-- inputs: period_asked, outcome (of the periods, and of earlier days with something open)
-- output: rows first_day, last_day, entity, currency, side, figure, lines, amount; figures are
--   opening, new, cleared, closing and the age bands of what is closing
WITH item AS (
    SELECT
        period_asked.first_day,
        period_asked.last_day,
        outcome.entity,
        outcome.currency,
        outcome.side,
        CAST(outcome.amount AS DECIMAL(38, 12)) AS amount,
        outcome.period < period_asked.first_day AS older,
        outcome.outcome = 'open' OR outcome.cleared_on > period_asked.last_day AS stays,
        period_asked.last_day - outcome.period AS age
    FROM period_asked
    INNER JOIN outcome ON period_asked.last_day >= outcome.period
    WHERE
        outcome.outcome <> 'duplicate'
        AND (outcome.outcome = 'open' OR outcome.cleared_on >= period_asked.first_day)
),

labelled AS (
    SELECT
        *,
        'opening' AS figure
    FROM item
    WHERE older
    UNION ALL
    SELECT
        *,
        'new' AS figure
    FROM item
    WHERE NOT older AND stays
    UNION ALL
    SELECT
        *,
        'cleared' AS figure
    FROM item
    WHERE older AND NOT stays
    UNION ALL
    SELECT
        *,
        'closing' AS figure
    FROM item
    WHERE stays
    UNION ALL
    SELECT
        *,
        CASE
            WHEN age <= 1 THEN '0-1'
            WHEN age <= 7 THEN '2-7'
            WHEN age <= 30 THEN '8-30'
            WHEN age <= 90 THEN '31-90'
            ELSE '>90'
        END AS figure
    FROM item
    WHERE stays
)

SELECT
    first_day,
    last_day,
    entity,
    currency,
    side,
    figure,
    count(*) AS lines,
    CAST(sum(amount) AS DECIMAL(38, 12)) AS amount
FROM labelled
GROUP BY first_day, last_day, entity, currency, side, figure
ORDER BY first_day, last_day, entity, currency, side, figure
