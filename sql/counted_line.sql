-- grain: one line, repeated or refused row, or sender's difference that counts in a statement
-- inputs: period_asked (one), day_compared (days that count at all), outcome, known_line,
--   removed_line, refused_row, undelivered, late_figure; $source_through, $target_through (last day
--   delivered)
-- output: table counted_line; `figure` and `open_item` say in which rows it counts, `nth` tells
--   deliveries of one line apart, the one that counts first
CREATE OR REPLACE TEMP TABLE counted_line AS
WITH judged AS (
    SELECT
        outcome.side,
        outcome.feed,
        outcome.line_id,
        outcome.extract_sha256,
        outcome.row_number,
        outcome.received_on,
        outcome.entity,
        outcome.currency,
        outcome.period,
        CAST(outcome.amount AS DECIMAL(38, 12)) AS amount,
        CASE
            WHEN outcome.period < period_asked.first_day THEN NULL
            WHEN outcome.outcome = 'duplicate' THEN 'duplicates'
            WHEN outcome.outcome = 'matched' AND outcome.cleared_on <= period_asked.last_day
                THEN 'matched'
            WHEN outcome.outcome = 'matched' THEN 'matched_in_transit'
            WHEN
                outcome.due_on
                > CASE WHEN outcome.side = 'source' THEN $target_through ELSE $source_through END
                THEN 'timing'
            ELSE 'breaks'
        END AS figure,
        CASE
            WHEN outcome.outcome = 'duplicate' THEN NULL
            WHEN
                outcome.period < period_asked.first_day
                AND (outcome.outcome = 'open' OR outcome.cleared_on > period_asked.last_day)
                THEN 'carried'
            WHEN outcome.period < period_asked.first_day THEN 'cleared'
            WHEN outcome.outcome = 'open' OR outcome.cleared_on > period_asked.last_day THEN 'new'
        END AS open_item,
        outcome.break_class,
        outcome.pass,
        outcome.counterpart_feed,
        outcome.counterpart,
        outcome.decision,
        outcome.due_on,
        outcome.answer
    FROM period_asked
    INNER JOIN outcome ON period_asked.last_day >= outcome.period
    SEMI JOIN day_compared ON outcome.period = day_compared.period
    WHERE
        outcome.period >= period_asked.first_day
        OR (
            outcome.outcome <> 'duplicate'
            AND (outcome.outcome = 'open' OR outcome.cleared_on >= period_asked.first_day)
        )
),

claimed AS (
    SELECT
        *,
        FALSE AS filed
    FROM judged
    UNION ALL BY NAME
    SELECT
        known_line.side,
        known_line.feed,
        known_line.line_id,
        known_line.extract_sha256,
        known_line.row_number,
        known_line.received_on,
        known_line.entity,
        known_line.currency,
        known_line.counted_on AS period,
        CAST(known_line.amount AS DECIMAL(38, 12)) AS amount,
        TRUE AS filed
    FROM known_line
    SEMI JOIN period_asked
        ON known_line.counted_on BETWEEN period_asked.first_day AND period_asked.last_day
    SEMI JOIN day_compared ON known_line.counted_on = day_compared.period
    WHERE known_line.in_scope
),

line AS (
    -- A line as it came and its outcome are one where they agree in what they are.
    SELECT
        'line' AS kind,
        side,
        feed,
        line_id,
        extract_sha256,
        row_number,
        received_on,
        entity,
        currency,
        period,
        amount,
        1 AS lines,
        bool_or(filed) AS filed,
        max(figure) AS figure,
        max(open_item) AS open_item,
        max(CASE WHEN figure = 'breaks' THEN break_class END) AS break_class,
        max(pass) AS pass,
        max(counterpart_feed) AS counterpart_feed,
        max(counterpart) AS counterpart,
        max(decision) AS decision,
        max(due_on) AS due_on,
        max(CASE WHEN figure IS NOT NULL THEN answer END) AS answer
    FROM claimed
    GROUP BY
        side, feed, line_id, extract_sha256, row_number, received_on, entity, currency, period,
        amount
),

other AS (
    SELECT
        'repeated' AS kind,
        side,
        feed,
        line_id,
        extract_sha256,
        row_number,
        received_on,
        entity,
        currency,
        period,
        CAST(amount AS DECIMAL(38, 12)) AS amount,
        1 AS lines
    FROM removed_line
    WHERE in_scope
    UNION ALL
    SELECT
        'refused' AS kind,
        side,
        feed,
        coalesce(line_id, 'row ' || row_number, '') AS line_id,
        extract_sha256,
        row_number,
        received_on,
        entity,
        currency,
        period,
        CAST(amount AS DECIMAL(38, 12)) AS amount,
        1 AS lines
    FROM refused_row
    UNION ALL
    SELECT
        'not_in_file' AS kind,
        side,
        feed,
        coalesce(ref, '') AS line_id,
        extract_sha256,
        NULL AS row_number,
        period AS received_on,
        entity,
        currency,
        period,
        CAST(amount AS DECIMAL(38, 12)) AS amount,
        lines
    FROM undelivered
    UNION ALL
    SELECT
        CASE figure
            WHEN 'duplicates' THEN 'repeated'
            WHEN 'quarantined' THEN 'refused'
            ELSE 'not_in_file'
        END AS kind,
        side,
        feed,
        line_id,
        extract_sha256,
        row_number,
        received_on,
        entity,
        currency,
        counted_on AS period,
        amount,
        lines
    FROM late_figure
),

counted AS (
    SELECT * FROM line
    UNION ALL BY NAME
    SELECT other.*
    FROM other
    SEMI JOIN period_asked
        ON other.period BETWEEN period_asked.first_day AND period_asked.last_day
    SEMI JOIN day_compared ON other.period = day_compared.period
)

SELECT
    * REPLACE (coalesce(filed, FALSE) AS filed),
    row_number() OVER (
        PARTITION BY kind, side, feed, line_id
        ORDER BY
            figure = 'duplicates', received_on, extract_sha256, row_number, amount, entity, currency
    ) AS nth
FROM counted
