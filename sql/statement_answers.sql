-- grain: one answer of a chain a period, entity, currency and side
-- inputs: period_asked, outcome
-- output: rows first_day, last_day, entity, currency, side, answer, lines, amount; every accepted
--   line of a chain counts in one row, and lines of other reconciliations in none
SELECT
    period_asked.first_day,
    period_asked.last_day,
    outcome.entity,
    outcome.currency,
    outcome.side,
    outcome.answer,
    count(*) AS lines,
    CAST(sum(outcome.amount) AS DECIMAL(38, 12)) AS amount
FROM period_asked
INNER JOIN outcome ON outcome.period BETWEEN period_asked.first_day AND period_asked.last_day
WHERE outcome.answer IS NOT NULL
GROUP BY ALL
ORDER BY ALL
