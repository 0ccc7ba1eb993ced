-- grain: one subject that lines of a feed carry, and what became of them in one reconciliation
-- inputs: awaited (entity, kind, ref), carried_line, outcome (of the reconciliation)
-- output: rows entity, kind, ref, feed, line_id, period (its first line), taking_part, matched,
--   cleared_on, pass; a second delivery of the same line (a duplicate) takes no part
WITH carried AS (
    SELECT
        carried_line.*,
        outcome.outcome,
        outcome.pass,
        outcome.cleared_on
    FROM carried_line
    SEMI JOIN awaited
        ON
            carried_line.entity = awaited.entity
            AND carried_line.kind = awaited.kind
            AND carried_line.ref = awaited.ref
    LEFT JOIN outcome
        ON
            carried_line.feed = outcome.feed
            AND carried_line.line_id = outcome.line_id
            AND carried_line.extract_sha256 = outcome.extract_sha256
            AND carried_line.row_number = outcome.row_number
)

SELECT
    entity,
    kind,
    ref,
    arg_min(feed, (period, feed, line_id)) AS feed,
    arg_min(line_id, (period, feed, line_id)) AS line_id,
    min(period) AS period,
    count(*) FILTER (WHERE outcome IN ('matched', 'open')) AS taking_part,
    count(*) FILTER (WHERE outcome = 'matched') AS matched,
    max(cleared_on) AS cleared_on,
    arg_min(pass, (period, feed, line_id)) AS pass
FROM carried
GROUP BY ALL
ORDER BY ALL
