-- grain: one row that did not become a line, of a window that moved, in the step it belongs to; and
--   one figure of each later step by which the state of the windows differs
-- inputs: state_figure, lock_step
-- output: table late_figure; counted_on is the day where it counts
CREATE OR REPLACE TEMP TABLE late_figure AS
SELECT
    state_figure.figure,
    state_figure.side,
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
UNION ALL
SELECT
    state_figure.figure,
    state_figure.side,
    state_figure.entity,
    state_figure.currency,
    following.opens_on AS counted_on,
    CAST(
        sum(
            CASE WHEN state_figure.state = following.state THEN 1 ELSE -1 END * state_figure.lines
        ) AS BIGINT
    ) AS lines,
    CAST(
        sum(
            CASE WHEN state_figure.state = following.state THEN 1 ELSE -1 END * state_figure.amount
        ) AS DECIMAL(38, 12)
    ) AS amount
FROM lock_step AS before
INNER JOIN lock_step AS following
    ON before.entity = following.entity AND before.step + 1 = following.step
INNER JOIN state_figure
    ON
        before.entity = state_figure.entity
        AND before.last_day >= state_figure.period
        AND state_figure.state IN (before.state, following.state)
WHERE before.state <> following.state
GROUP BY
    state_figure.figure, state_figure.side, state_figure.entity, state_figure.currency,
    following.opens_on
