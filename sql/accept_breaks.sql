-- grain: one open line whose break a person has accepted, as long as amount and class are the same
-- inputs: decision_line, fresh_outcome
-- output: fresh_outcome with the latest such decision
UPDATE fresh_outcome
SET
    decision = accepted.decision
FROM (
    SELECT
        side,
        feed,
        line_id,
        entity,
        currency,
        amount,
        break_class,
        max(decision) AS decision
    FROM decision_line
    WHERE kind = 'accept_break'
    GROUP BY side, feed, line_id, entity, currency, amount, break_class
) AS accepted
WHERE
    fresh_outcome.outcome = 'open'
    AND fresh_outcome.side = accepted.side
    AND fresh_outcome.feed = accepted.feed
    AND fresh_outcome.line_id = accepted.line_id
    AND fresh_outcome.entity = accepted.entity
    AND fresh_outcome.currency = accepted.currency
    AND fresh_outcome.amount = accepted.amount
    AND fresh_outcome.break_class = accepted.break_class
