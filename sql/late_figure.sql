-- grain: one row that did not become a line, of a window that moved, in the step it belongs to; and
--   one row of each later step that an earlier state of the window has not, or has otherwise
-- inputs: state_figure, lock_step
-- output: table late_figure; counted_on is the day where it counts; a row of a later step is named
--   by the month that step opens with
CREATE OR REPLACE TEMP TABLE late_figure AS
WITH turned AS (
    SELECT
        state_figure.* REPLACE (
            state_figure.line_id || strftime(following.opens_on, '~%Y-%m') AS line_id
        ),
        following.opens_on,
        CASE WHEN state_figure.state = following.state THEN 1 ELSE -1 END AS sign
    FROM lock_step AS before
    INNER JOIN lock_step AS following
        ON before.entity = following.entity AND before.step + 1 = following.step
    INNER JOIN state_figure
        ON
            before.entity = state_figure.entity
            AND before.last_day >= state_figure.period
            AND state_figure.state IN (before.state, following.state)
    WHERE before.state <> following.state
)

SELECT
    state_figure.figure,
    state_figure.side,
    state_figure.feed,
    state_figure.line_id,
    state_figure.extract_sha256,
    state_figure.row_number,
    state_figure.received_on,
    state_figure.entity,
    state_figure.currency,
    state_figure.period AS counted_on,
    state_figure.lines,
    state_figure.amount
FROM state_figure
INNER JOIN lock_step
    ON
        state_figure.entity = lock_step.entity
        AND state_figure.state = lock_step.state
        AND state_figure.period BETWEEN lock_step.first_day AND lock_step.last_day
UNION ALL BY NAME
SELECT
    figure,
    side,
    feed,
    line_id,
    extract_sha256,
    row_number,
    received_on,
    entity,
    currency,
    opens_on AS counted_on,
    CAST(sum(sign * lines) AS BIGINT) AS lines,
    CAST(sum(sign * amount) AS DECIMAL(38, 12)) AS amount
FROM turned
GROUP BY
    figure, side, feed, line_id, extract_sha256, row_number, received_on, entity, currency, opens_on
HAVING sum(sign * turned.lines) <> 0 OR sum(sign * turned.amount) <> 0
