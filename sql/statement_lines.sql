-- grain: one figure a period, entity, currency, side and row of the statement that counts what came
-- inputs: period_asked, known_line (lines as published), removed_line (repeated in one extract),
--   refused_row (quarantine), undelivered (control total less rows in the file),
--   late_figure (the last three of windows that changed after they were locked)
-- output: rows first_day, last_day, entity, currency, side, figure, lines, amount, weight (sum of
--   absolute amounts)
WITH item AS (
    SELECT
        counted_on AS period,
        entity,
        currency,
        side,
        'filed' AS figure,
        1 AS lines,
        CAST(amount AS DECIMAL(38, 12)) AS amount
    FROM known_line
    WHERE in_scope
    UNION ALL
    SELECT
        period,
        entity,
        currency,
        side,
        'duplicates' AS figure,
        1 AS lines,
        CAST(amount AS DECIMAL(38, 12)) AS amount
    FROM removed_line
    WHERE in_scope
    UNION ALL
    SELECT
        period,
        entity,
        currency,
        side,
        'quarantined' AS figure,
        1 AS lines,
        amount
    FROM refused_row
    UNION ALL
    SELECT
        period,
        entity,
        currency,
        side,
        'not_in_file' AS figure,
        lines,
        amount
    FROM undelivered
    UNION ALL
    SELECT
        counted_on AS period,
        entity,
        currency,
        side,
        figure,
        lines,
        amount
    FROM late_figure
)

SELECT
    period_asked.first_day,
    period_asked.last_day,
    item.entity,
    item.currency,
    item.side,
    item.figure,
    CAST(sum(item.lines) AS BIGINT) AS lines,
    CAST(sum(item.amount) AS DECIMAL(38, 12)) AS amount,
    CAST(sum(abs(item.amount)) AS DECIMAL(38, 12)) AS weight
FROM period_asked
INNER JOIN item ON item.period BETWEEN period_asked.first_day AND period_asked.last_day
GROUP BY ALL
ORDER BY ALL
