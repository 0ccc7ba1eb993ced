-- grain: one line in scope with its outcome: matched, open (with its break class) or duplicate
-- inputs: line, taken, diagnosis, repeat, pass_name; $first_day, $last_day (timing window)
-- output: table fresh_outcome; an open line is a timing item until the other side is delivered
--   through due_on; the counterpart of a match is any line of its other side
CREATE OR REPLACE TEMP TABLE fresh_outcome AS
SELECT
    line.side,
    line.feed,
    line.line_id,
    line.extract_sha256,
    line.extract_row AS row_number,
    line.received_on,
    line.entity,
    line.currency,
    line.amount,
    line.occurred_on,
    line.period,
    line.ref,
    line.component,
    'matched' AS outcome,
    pass_name.name AS pass,
    CASE
        WHEN taken.match_lid = line.lid THEN line.line_id ELSE other.line_id
    END AS match_ref,
    taken.cleared_on AS cleared_on,
    taken.residual AS residual,
    NULL AS break_class,
    NULL AS due_on,
    other.feed AS counterpart_feed,
    other.line_id AS counterpart,
    NULL AS other_entity,
    NULL AS other_currency,
    NULL AS other_amount,
    NULL AS other_period,
    NULL AS other_account,
    NULL AS group_amount,
    NULL AS group_count,
    NULL AS group_member
FROM line
INNER JOIN taken ON line.lid = taken.lid
INNER JOIN line AS other ON taken.other_lid = other.lid
INNER JOIN pass_name ON taken.pass = pass_name.pass
WHERE taken.pass <> 0 AND taken.match_lid IN (taken.lid, taken.other_lid)
UNION ALL
SELECT
    line.side,
    line.feed,
    line.line_id,
    line.extract_sha256,
    line.extract_row AS row_number,
    line.received_on,
    line.entity,
    line.currency,
    line.amount,
    line.occurred_on,
    line.period,
    line.ref,
    line.component,
    'matched' AS outcome,
    pass_name.name AS pass,
    anchor.line_id AS match_ref,
    taken.cleared_on AS cleared_on,
    taken.residual AS residual,
    NULL AS break_class,
    NULL AS due_on,
    other.feed AS counterpart_feed,
    other.line_id AS counterpart,
    NULL AS other_entity,
    NULL AS other_currency,
    NULL AS other_amount,
    NULL AS other_period,
    NULL AS other_account,
    NULL AS group_amount,
    NULL AS group_count,
    NULL AS group_member
FROM line
INNER JOIN taken ON line.lid = taken.lid
INNER JOIN line AS other ON taken.other_lid = other.lid
INNER JOIN line AS anchor ON taken.match_lid = anchor.lid
INNER JOIN pass_name ON taken.pass = pass_name.pass
WHERE taken.pass <> 0 AND taken.match_lid NOT IN (taken.lid, taken.other_lid)
UNION ALL
SELECT
    line.side,
    line.feed,
    line.line_id,
    line.extract_sha256,
    line.extract_row AS row_number,
    line.received_on,
    line.entity,
    line.currency,
    line.amount,
    line.occurred_on,
    line.period,
    line.ref,
    line.component,
    'duplicate' AS outcome,
    NULL AS pass,
    NULL AS match_ref,
    NULL AS cleared_on,
    NULL AS residual,
    NULL AS break_class,
    NULL AS due_on,
    other.feed AS counterpart_feed,
    other.line_id AS counterpart,
    NULL AS other_entity,
    NULL AS other_currency,
    NULL AS other_amount,
    NULL AS other_period,
    NULL AS other_account,
    NULL AS group_amount,
    NULL AS group_count,
    NULL AS group_member
FROM line
INNER JOIN repeat ON line.lid = repeat.lid
INNER JOIN line AS other ON repeat.first_lid = other.lid
WHERE repeat.same AND line.in_scope
UNION ALL
SELECT
    line.side,
    line.feed,
    line.line_id,
    line.extract_sha256,
    line.extract_row AS row_number,
    line.received_on,
    line.entity,
    line.currency,
    line.amount,
    line.occurred_on,
    line.period,
    line.ref,
    line.component,
    'open' AS outcome,
    NULL AS pass,
    NULL AS match_ref,
    NULL AS cleared_on,
    NULL AS residual,
    diagnosis.break_class,
    CASE
        WHEN repeat.lid IS NOT NULL THEN line.period
        WHEN line.side = 'source' THEN line.period + CAST($last_day AS INTEGER)
        ELSE line.period - CAST($first_day AS INTEGER)
    END AS due_on,
    other.feed AS counterpart_feed,
    other.line_id AS counterpart,
    other.entity AS other_entity,
    other.currency AS other_currency,
    CAST(other.amount AS DECIMAL(38, 12)) AS other_amount,
    other.period AS other_period,
    other.account AS other_account,
    diagnosis.group_amount,
    diagnosis.group_count,
    diagnosis.group_member
FROM line
INNER JOIN diagnosis ON line.lid = diagnosis.lid
LEFT JOIN repeat ON line.lid = repeat.lid
LEFT JOIN line AS other ON diagnosis.other_lid = other.lid
