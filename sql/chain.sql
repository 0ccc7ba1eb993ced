-- grain: one source line of the first link with the outcome of the whole chain
-- inputs: first_outcome (of the days to work), second_outcome (of all days), billed_line,
--   credited_cycle; $last_day (timing of the first link); of several deliveries of a line the first
--   counts: repeats and contradictions name the line itself as counterpart
-- output: rows in the order they are published; every line but a duplicate has one answer
SELECT
    first_outcome.side,
    first_outcome.feed,
    first_outcome.line_id,
    first_outcome.extract_sha256,
    first_outcome.row_number,
    first_outcome.received_on,
    first_outcome.entity,
    first_outcome.currency,
    first_outcome.amount,
    first_outcome.occurred_on,
    first_outcome.period,
    first_outcome.ref,
    first_outcome.component,
    CASE
        WHEN first_outcome.outcome = 'matched' THEN coalesce(second_outcome.outcome, 'open')
        ELSE first_outcome.outcome
    END AS outcome,
    CASE
        WHEN first_outcome.outcome = 'matched' THEN second_outcome.pass ELSE first_outcome.pass
    END AS pass,
    CASE
        WHEN first_outcome.outcome = 'matched'
            THEN second_outcome.match_ref
        ELSE first_outcome.match_ref
    END AS match_ref,
    CASE
        WHEN first_outcome.outcome <> 'matched' THEN first_outcome.cleared_on
        WHEN second_outcome.outcome = 'matched'
            THEN greatest(first_outcome.cleared_on, second_outcome.cleared_on)
    END AS cleared_on,
    first_outcome.residual,
    CASE
        WHEN first_outcome.outcome = 'matched'
            THEN
                CASE
                    WHEN second_outcome.line_id IS NULL
                        THEN 'missing_in_target'
                    ELSE second_outcome.break_class
                END
        ELSE first_outcome.break_class
    END AS break_class,
    CASE
        WHEN first_outcome.outcome <> 'matched' THEN first_outcome.due_on
        WHEN second_outcome.line_id IS NULL THEN first_outcome.cleared_on
        ELSE second_outcome.due_on
    END AS due_on,
    first_outcome.counterpart_feed,
    first_outcome.counterpart,
    first_outcome.other_entity,
    first_outcome.other_currency,
    first_outcome.other_amount,
    first_outcome.other_period,
    first_outcome.other_account,
    first_outcome.group_amount,
    first_outcome.group_count,
    first_outcome.group_member,
    coalesce(first_outcome.search_limit, second_outcome.search_limit) AS search_limit,
    first_outcome.label,
    first_outcome.rounding,
    first_outcome.reason,
    first_outcome.score,
    CASE
        WHEN first_outcome.outcome = 'matched'
            THEN second_outcome.decision
        ELSE first_outcome.decision
    END AS decision,
    CASE
        WHEN first_outcome.outcome = 'duplicate' THEN NULL
        WHEN first_outcome.outcome <> 'matched' THEN 'not_billed'
        WHEN coalesce(second_outcome.outcome, 'open') <> 'matched' THEN 'billed_not_booked'
        WHEN credited_cycle.meter IS NOT NULL THEN 'credited'
        WHEN
            billed_line.period > first_outcome.period + CAST($last_day AS INTEGER)
            OR billed_line.service_start > first_outcome.period
            THEN 'billed_late'
        ELSE 'billed_and_booked'
    END AS answer,
    CAST(NULL AS VARCHAR) AS fee_rule,
    first_outcome.belongs_to
FROM first_outcome
LEFT JOIN second_outcome
    ON
        first_outcome.outcome = 'matched'
        AND first_outcome.counterpart_feed = second_outcome.feed
        AND first_outcome.counterpart = second_outcome.line_id
        AND second_outcome.side = 'source'
        AND (
            second_outcome.outcome = 'matched'
            OR second_outcome.counterpart IS NULL
            OR second_outcome.counterpart_feed <> second_outcome.feed
            OR second_outcome.counterpart <> second_outcome.line_id
        )
LEFT JOIN billed_line
    ON
        first_outcome.outcome = 'matched'
        AND first_outcome.counterpart_feed = billed_line.feed
        AND first_outcome.counterpart = billed_line.line_id
LEFT JOIN credited_cycle
    ON
        billed_line.entity = credited_cycle.entity
        AND billed_line.currency = credited_cycle.currency
        AND billed_line.subscription_ref = credited_cycle.subscription_ref
        AND billed_line.meter = credited_cycle.meter
        AND billed_line.service_start = credited_cycle.service_start
WHERE first_outcome.side = 'source'
ORDER BY
    first_outcome.period, first_outcome.side, first_outcome.feed, first_outcome.line_id,
    first_outcome.received_on, first_outcome.extract_sha256, first_outcome.row_number
