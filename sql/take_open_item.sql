-- grain: one line that is open at the end of a day, as known at one moment
-- inputs: outcome, entity_asked; $edge, $last_day, $others (entities not asked for, in place of
--   those that are), $source_through, $target_through
-- output: rows of open_item; `twin` numbers lines that nothing else tells apart
INSERT INTO open_item
WITH item AS (
    SELECT
        outcome.side,
        outcome.feed,
        outcome.line_id,
        outcome.entity,
        outcome.currency,
        outcome.period,
        CAST(outcome.amount AS DECIMAL(38, 12)) AS amount,
        CASE
            WHEN outcome.outcome = 'matched' THEN 'matched_in_transit'
            WHEN
                outcome.due_on
                > CASE WHEN outcome.side = 'source' THEN $target_through ELSE $source_through END
                THEN 'timing'
            ELSE outcome.break_class
        END AS class
    FROM outcome
    WHERE
        outcome.period <= $last_day
        AND outcome.outcome <> 'duplicate'
        AND (outcome.outcome = 'open' OR outcome.cleared_on > $last_day)
        AND coalesce(outcome.entity IN (SELECT entity_asked.entity FROM entity_asked), FALSE)
        <> $others
)

SELECT
    $edge AS edge,
    side,
    feed,
    line_id,
    entity,
    currency,
    period,
    amount,
    class,
    row_number() OVER (
        PARTITION BY side, feed, line_id, entity, currency, period, amount
        ORDER BY class
    ) AS twin
FROM item
