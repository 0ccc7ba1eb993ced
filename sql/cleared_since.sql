-- grain: what was open at the end of a locked month and is cleared by now, by currency and side
-- inputs: outcome (of the month, and of days before it with something cleared after it); $entity,
--   $last_day
-- output: rows currency, side, lines, amount
SELECT
    currency,
    side,
    count(*) AS lines,
    CAST(sum(amount) AS DECIMAL(38, 12)) AS amount
FROM outcome
WHERE
    entity = $entity
    AND period <= $last_day
    AND outcome = 'matched'
    AND cleared_on > $last_day
GROUP BY currency, side
ORDER BY currency, side
