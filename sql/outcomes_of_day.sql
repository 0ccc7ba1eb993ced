-- grain: one line in scope of one day with its outcome
-- inputs: fresh_outcome, prior_outcome (the touched days as published), affected, settled,
--   suggestion; $day
-- output: rows in the order they are published: of this run, prior ones that it left alone, and
--   those that were signed; on the others, what is suggested of an open line may have changed
WITH outcome AS (
    SELECT fresh_outcome.*
    FROM fresh_outcome
    ANTI JOIN settled
        ON
            fresh_outcome.side = settled.side
            AND fresh_outcome.feed = settled.feed
            AND fresh_outcome.line_id = settled.line_id
            AND fresh_outcome.extract_sha256 = settled.extract_sha256
            AND fresh_outcome.row_number = settled.row_number
            AND fresh_outcome.received_on = settled.received_on
    WHERE fresh_outcome.period = $day
    UNION ALL
    SELECT prior_outcome.*
    FROM prior_outcome
    ANTI JOIN affected
        ON
            prior_outcome.side = affected.side
            AND prior_outcome.feed = affected.feed
            AND prior_outcome.line_id = affected.line_id
    ANTI JOIN settled
        ON
            prior_outcome.side = settled.side
            AND prior_outcome.feed = settled.feed
            AND prior_outcome.line_id = settled.line_id
            AND prior_outcome.extract_sha256 = settled.extract_sha256
            AND prior_outcome.row_number = settled.row_number
            AND prior_outcome.received_on = settled.received_on
    WHERE prior_outcome.period = $day
    UNION ALL
    SELECT settled.*
    FROM settled
    WHERE settled.period = $day
),

today AS (
    SELECT *
    FROM suggestion
    WHERE period = $day
)

SELECT
    outcome.* REPLACE (
        CASE WHEN today.line_id IS NULL THEN outcome.pass ELSE today.pass END AS pass,
        CASE WHEN today.line_id IS NULL THEN outcome.match_ref ELSE today.match_ref END
            AS match_ref,
        CASE WHEN today.line_id IS NULL THEN outcome.counterpart_feed ELSE today.counterpart_feed
        END AS counterpart_feed,
        CASE WHEN today.line_id IS NULL THEN outcome.counterpart ELSE today.counterpart END
            AS counterpart,
        CASE WHEN today.line_id IS NULL THEN outcome.other_entity ELSE today.other_entity END
            AS other_entity,
        CASE WHEN today.line_id IS NULL THEN outcome.other_currency ELSE today.other_currency END
            AS other_currency,
        CASE WHEN today.line_id IS NULL THEN outcome.other_amount ELSE today.other_amount END
            AS other_amount,
        CASE WHEN today.line_id IS NULL THEN outcome.other_period ELSE today.other_period END
            AS other_period,
        CASE WHEN today.line_id IS NULL THEN outcome.other_account ELSE today.other_account END
            AS other_account,
        CASE WHEN today.line_id IS NULL THEN outcome.score ELSE today.score END AS score,
        CASE WHEN today.line_id IS NULL THEN outcome.reason ELSE today.reason END AS reason
    )
FROM outcome
LEFT JOIN today
    ON
        outcome.side = today.side
        AND outcome.feed = today.feed
        AND outcome.line_id = today.line_id
        AND outcome.extract_sha256 = today.extract_sha256
        AND outcome.row_number = today.row_number
        AND outcome.received_on = today.received_on
ORDER BY
    outcome.side, outcome.feed, outcome.line_id, outcome.received_on, outcome.extract_sha256,
    outcome.row_number
