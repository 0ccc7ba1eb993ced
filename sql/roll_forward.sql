-- grain: one figure an entity, currency, side and class of what is open
-- inputs: open_item (at the end of the day before, and of the last day); $first_day, $last_day
-- output: rows entity, currency, side, class, figure, lines, amount; figures are opening, new,
--   moved_in, moved_out (to another class), cleared, closing, the age bands of what is closing, and
--   appeared: open at the end, older than the first day, and not open before it, which none may be
WITH first_item AS (
    SELECT * FROM open_item
    WHERE edge = 'opening'
),

last_item AS (
    SELECT * FROM open_item
    WHERE edge = 'closing'
),

paired AS (
    SELECT
        coalesce(last_item.entity, first_item.entity) AS entity,
        coalesce(last_item.currency, first_item.currency) AS currency,
        coalesce(last_item.side, first_item.side) AS side,
        coalesce(last_item.amount, first_item.amount) AS amount,
        first_item.class AS was,
        last_item.class AS class,
        last_item.period < $first_day AS older,
        CAST($last_day AS DATE) - last_item.period AS age
    FROM first_item
    FULL OUTER JOIN last_item
        ON
            first_item.side = last_item.side
            AND first_item.feed = last_item.feed
            AND first_item.line_id = last_item.line_id
            AND first_item.entity IS NOT DISTINCT FROM last_item.entity
            AND first_item.currency = last_item.currency
            AND first_item.period = last_item.period
            AND first_item.amount = last_item.amount
            AND first_item.twin = last_item.twin
),

labelled AS (
    SELECT
        entity,
        currency,
        side,
        amount,
        was AS class,
        'opening' AS figure
    FROM paired
    WHERE was IS NOT NULL
    UNION ALL
    SELECT
        entity,
        currency,
        side,
        amount,
        was AS class,
        'cleared' AS figure
    FROM paired
    WHERE class IS NULL
    UNION ALL
    SELECT
        entity,
        currency,
        side,
        amount,
        was AS class,
        'moved_out' AS figure
    FROM paired
    WHERE was <> class
    UNION ALL
    SELECT
        entity,
        currency,
        side,
        amount,
        class,
        'moved_in' AS figure
    FROM paired
    WHERE was <> class
    UNION ALL
    SELECT
        entity,
        currency,
        side,
        amount,
        class,
        CASE WHEN older THEN 'appeared' ELSE 'new' END AS figure
    FROM paired
    WHERE was IS NULL
    UNION ALL
    SELECT
        entity,
        currency,
        side,
        amount,
        class,
        'closing' AS figure
    FROM paired
    WHERE class IS NOT NULL
    UNION ALL
    SELECT
        entity,
        currency,
        side,
        amount,
        class,
        CASE
            WHEN age <= 1 THEN '0-1'
            WHEN age <= 7 THEN '2-7'
            WHEN age <= 30 THEN '8-30'
            WHEN age <= 90 THEN '31-90'
            ELSE '>90'
        END AS figure
    FROM paired
    WHERE class IS NOT NULL
)

SELECT
    entity,
    currency,
    side,
    class,
    figure,
    count(*) AS lines,
    CAST(sum(amount) AS DECIMAL(38, 12)) AS amount
FROM labelled
GROUP BY entity, currency, side, class, figure
ORDER BY entity, currency, side, class, figure
