-- grain: one line in scope with its outcome: matched, open (with its break class) or duplicate
-- inputs: line, taken, diagnosis, repeat, searched, pass_name (pass, name, suggested);
--   $first_day, $last_day (timing), $variance (class of an amount difference)
-- output: table fresh_outcome; an open line is a timing item until the other side is delivered
--   through due_on; the counterpart of a match is any line of its other side
CREATE OR REPLACE TEMP TABLE fresh_outcome AS
WITH verdict AS (
    SELECT
        taken.lid,
        'matched' AS outcome,
        pass_name.name AS pass,
        taken.match_lid,
        taken.other_lid,
        taken.cleared_on,
        taken.residual,
        taken.label,
        taken.rounding,
        taken.decision
    FROM taken
    INNER JOIN pass_name ON taken.pass = pass_name.pass
    WHERE taken.pass <> 0 AND NOT pass_name.suggested
    UNION ALL BY NAME
    SELECT
        taken.lid,
        'open' AS outcome,
        pass_name.name AS pass,
        taken.match_lid,
        taken.other_lid,
        taken.residual,
        CASE
            WHEN
                sum(abs(taken.residual)) OVER (PARTITION BY taken.pass, taken.match_lid) = 0
                THEN
                    CASE
                        WHEN line.side = 'source' THEN 'missing_in_target'
                        ELSE 'missing_in_source'
                    END
            WHEN line.component IN ('fee', 'tax') THEN line.component || '_variance'
            ELSE $variance
        END AS break_class,
        1 AS group_count,
        FALSE AS group_member,
        taken.label,
        taken.rounding,
        taken.reason,
        taken.score,
        taken.decision
    FROM taken
    INNER JOIN pass_name ON taken.pass = pass_name.pass
    INNER JOIN line ON taken.lid = line.lid
    WHERE pass_name.suggested
    UNION ALL BY NAME
    SELECT
        repeat.lid,
        'duplicate' AS outcome,
        repeat.first_lid AS other_lid
    FROM repeat
    WHERE repeat.same
    UNION ALL BY NAME
    SELECT
        diagnosis.lid,
        'open' AS outcome,
        diagnosis.other_lid,
        diagnosis.break_class,
        diagnosis.group_amount,
        diagnosis.group_count,
        diagnosis.group_member,
        repeat.lid IS NOT NULL AS again
    FROM diagnosis
    LEFT JOIN repeat ON diagnosis.lid = repeat.lid
)

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
    line.counted_on AS period,
    line.ref,
    line.component,
    verdict.outcome,
    verdict.pass,
    CASE verdict.match_lid
        WHEN line.lid THEN line.line_id
        WHEN other.lid THEN other.line_id
        ELSE anchor.line_id
    END AS match_ref,
    verdict.cleared_on,
    verdict.residual,
    CASE
        WHEN verdict.outcome = 'open' AND line.counted_on <> line.period
            THEN 'closed_period_correction'
        ELSE verdict.break_class
    END AS break_class,
    CASE
        WHEN verdict.outcome <> 'open' THEN NULL
        WHEN line.counted_on <> line.period THEN line.counted_on
        WHEN verdict.again THEN line.period
        WHEN line.side = 'source' THEN line.period + CAST($last_day AS INTEGER)
        ELSE line.period - CAST($first_day AS INTEGER)
    END AS due_on,
    other.feed AS counterpart_feed,
    other.line_id AS counterpart,
    CASE WHEN verdict.outcome = 'open' THEN other.entity END AS other_entity,
    CASE WHEN verdict.outcome = 'open' THEN other.currency END AS other_currency,
    CASE WHEN verdict.outcome = 'open' THEN CAST(other.amount AS DECIMAL(38, 12)) END
        AS other_amount,
    CASE WHEN verdict.outcome = 'open' THEN other.period END AS other_period,
    CASE WHEN verdict.outcome = 'open' THEN other.account END AS other_account,
    verdict.group_amount,
    verdict.group_count,
    verdict.group_member,
    CASE WHEN verdict.outcome = 'open' THEN searched.search_limit END AS search_limit,
    verdict.label,
    verdict.rounding,
    verdict.reason,
    verdict.score,
    verdict.decision,
    CAST(NULL AS VARCHAR) AS answer,
    coalesce(CASE WHEN line.side = 'source' THEN other.fee_rule END, line.fee_rule) AS fee_rule,
    CASE WHEN line.counted_on <> line.period THEN line.period END AS belongs_to
FROM verdict
INNER JOIN line ON verdict.lid = line.lid
LEFT JOIN line AS other ON verdict.other_lid = other.lid
LEFT JOIN searched ON verdict.lid = searched.lid
LEFT JOIN line AS anchor
    ON
        verdict.match_lid = anchor.lid
        AND verdict.match_lid <> verdict.lid
        AND verdict.match_lid <> verdict.other_lid
WHERE line.in_scope
