-- grain: one row of table difference with its keys
-- inputs: difference, known_line, posted_by (feed, pass: feeds whose lines are posted as groups)
-- output: rows of fact_line; lines that are missing and posted as a group are one fact by their key
INSERT INTO fact_line BY NAME
SELECT
    difference.reconciliation,
    CASE
        WHEN difference.break_class = 'missing_in_target' AND known_line.keys[posted_by.pass] <> ''
            THEN
                concat_ws(
                    ' ', 'key', difference.feed, posted_by.pass, known_line.keys[posted_by.pass],
                    difference.entity, difference.currency
                )
        ELSE difference.fact
    END AS fact,
    difference.side,
    difference.feed,
    difference.line_id,
    difference.entity,
    difference.currency,
    CAST(difference.amount AS DECIMAL(38, 12)) AS amount,
    difference.period,
    difference.ref,
    difference.component,
    difference.outcome,
    difference.pass,
    difference.match_ref,
    difference.residual,
    difference.label,
    difference.decision,
    difference.break_class,
    difference.counterpart_feed,
    difference.counterpart,
    difference.group_count,
    difference.group_member,
    difference.inside,
    difference.due,
    known_line.keys
FROM difference
LEFT JOIN known_line
    ON
        difference.side = known_line.side
        AND difference.feed = known_line.feed
        AND difference.line_id = known_line.line_id
        AND difference.extract_sha256 = known_line.extract_sha256
        AND difference.row_number = known_line.row_number
        AND difference.received_on = known_line.received_on
LEFT JOIN posted_by ON difference.feed = posted_by.feed AND difference.side = 'source'
