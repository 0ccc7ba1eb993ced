-- grain: one step from the source amount to the target amount, by entity and currency
-- inputs: outcome (of all days that matches of the focus reach), focus; $source_through,
--   $target_through (last day delivered of a side)
-- output: rows entity, currency, step (source, open_source, residual, elsewhere, open_target,
--   target), label (component, timing or break class, pass), lines, amount; in every match the
--   sources, its residual and the targets add up, so source and steps lead to target
WITH judged AS (
    SELECT
        outcome.side,
        outcome.entity,
        outcome.currency,
        outcome.component,
        outcome.outcome,
        outcome.pass,
        outcome.match_ref,
        CAST(outcome.amount AS DECIMAL(38, 12)) AS amount,
        outcome.residual,
        CASE
            WHEN
                outcome.due_on
                > CASE WHEN outcome.side = 'source' THEN $target_through ELSE $source_through END
                THEN 'timing'
            ELSE outcome.break_class
        END AS open_as,
        focus.line_id IS NOT NULL AS inside
    FROM outcome
    LEFT JOIN focus
        ON
            outcome.side = focus.side
            AND outcome.feed = focus.feed
            AND outcome.line_id = focus.line_id
            AND outcome.extract_sha256 = focus.extract_sha256
            AND outcome.row_number = focus.row_number
            AND outcome.received_on = focus.received_on
    WHERE outcome.outcome <> 'duplicate'
),

touched AS (
    SELECT DISTINCT
        pass,
        match_ref
    FROM judged
    WHERE outcome = 'matched' AND inside
),

joined AS (
    SELECT judged.*
    FROM judged
    SEMI JOIN touched ON judged.pass = touched.pass AND judged.match_ref = touched.match_ref
    WHERE judged.outcome = 'matched'
),

step AS (
    SELECT
        entity,
        currency,
        side AS step,
        component AS label,
        amount
    FROM judged
    WHERE inside
    UNION ALL
    SELECT
        entity,
        currency,
        'open_' || side AS step,
        open_as AS label,
        CASE WHEN side = 'source' THEN -amount ELSE amount END AS amount
    FROM judged
    WHERE inside AND outcome = 'open'
    UNION ALL
    SELECT
        entity,
        currency,
        'residual' AS step,
        pass AS label,
        residual AS amount
    FROM joined
    WHERE residual <> 0
    UNION ALL
    SELECT
        entity,
        currency,
        'elsewhere' AS step,
        side AS label,
        CASE WHEN side = 'source' THEN amount ELSE -amount END AS amount
    FROM joined
    WHERE NOT inside
)

SELECT
    entity,
    currency,
    step,
    label,
    count(*) AS lines,
    CAST(sum(amount) AS DECIMAL(38, 12)) AS amount
FROM step
GROUP BY entity, currency, step, label
ORDER BY entity, currency, step, label
