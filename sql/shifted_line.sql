-- grain: one line of a window that changed after it was locked, or what corrects such a line
-- inputs: state_line (its lines in each state), lock_step (entity, step, state, first_day,
--   last_day, opens_on)
-- output: table shifted_line in the columns of a projected line; its lines of a locked month are
--   those signed; counted_on is the day where a line counts, period the one it belongs to
CREATE OR REPLACE TEMP TABLE shifted_line AS
WITH dated AS (
    SELECT
        *,
        min(state) OVER (
            PARTITION BY side, feed, line_id, received_on, extract_sha256, row_number
        ) AS first_state
    FROM state_line
),

-- Of equal lines those that an earlier state has come first: the one that came is a new delivery.
numbered AS (
    SELECT
        * EXCLUDE (first_state),
        row_number() OVER (
            PARTITION BY
                state, side, feed, line_id, entity, currency, amount, period, keys, component, ref,
                account, journal_ref, reversal_of, in_scope, functional_amount, presentment_amount
            ORDER BY first_state, received_on, extract_sha256, row_number
        ) AS copy
    FROM dated
),

turn AS (
    SELECT
        before.entity,
        before.last_day,
        before.state AS old_state,
        following.state AS new_state,
        following.opens_on,
        strftime(following.opens_on, '~%Y-%m') AS mark
    FROM lock_step AS before
    INNER JOIN lock_step AS following
        ON before.entity = following.entity AND before.step + 1 = following.step
    WHERE before.state <> following.state
),

went AS (
    SELECT
        turn.opens_on,
        turn.last_day,
        turn.mark,
        old_line.*
    FROM turn
    INNER JOIN numbered AS old_line
        ON
            turn.entity = old_line.entity
            AND turn.old_state = old_line.state
            AND turn.last_day >= old_line.period
    ANTI JOIN numbered AS new_line
        ON
            turn.new_state = new_line.state
            AND old_line.side = new_line.side
            AND old_line.feed = new_line.feed
            AND old_line.line_id = new_line.line_id
            AND old_line.entity = new_line.entity
            AND old_line.currency = new_line.currency
            AND old_line.amount = new_line.amount
            AND old_line.period = new_line.period
            AND old_line.keys IS NOT DISTINCT FROM new_line.keys
            AND old_line.component IS NOT DISTINCT FROM new_line.component
            AND old_line.ref IS NOT DISTINCT FROM new_line.ref
            AND old_line.account IS NOT DISTINCT FROM new_line.account
            AND old_line.journal_ref IS NOT DISTINCT FROM new_line.journal_ref
            AND old_line.reversal_of IS NOT DISTINCT FROM new_line.reversal_of
            AND old_line.in_scope = new_line.in_scope
            AND old_line.functional_amount IS NOT DISTINCT FROM new_line.functional_amount
            AND old_line.presentment_amount IS NOT DISTINCT FROM new_line.presentment_amount
            AND old_line.copy = new_line.copy
),

came AS (
    SELECT
        turn.opens_on,
        turn.last_day,
        turn.mark,
        new_line.*
    FROM turn
    INNER JOIN numbered AS new_line
        ON
            turn.entity = new_line.entity
            AND turn.new_state = new_line.state
            AND turn.last_day >= new_line.period
    ANTI JOIN numbered AS old_line
        ON
            turn.old_state = old_line.state
            AND new_line.side = old_line.side
            AND new_line.feed = old_line.feed
            AND new_line.line_id = old_line.line_id
            AND new_line.entity = old_line.entity
            AND new_line.currency = old_line.currency
            AND new_line.amount = old_line.amount
            AND new_line.period = old_line.period
            AND new_line.keys IS NOT DISTINCT FROM old_line.keys
            AND new_line.component IS NOT DISTINCT FROM old_line.component
            AND new_line.ref IS NOT DISTINCT FROM old_line.ref
            AND new_line.account IS NOT DISTINCT FROM old_line.account
            AND new_line.journal_ref IS NOT DISTINCT FROM old_line.journal_ref
            AND new_line.reversal_of IS NOT DISTINCT FROM old_line.reversal_of
            AND new_line.in_scope = old_line.in_scope
            AND new_line.functional_amount IS NOT DISTINCT FROM old_line.functional_amount
            AND new_line.presentment_amount IS NOT DISTINCT FROM old_line.presentment_amount
            AND new_line.copy = old_line.copy
),

-- Only its amount is another: what differs is one line.
changed AS (
    SELECT
        came.opens_on,
        came.side,
        came.feed,
        came.line_id,
        any_value(went.amount) AS old_amount,
        any_value(went.functional_amount) AS old_functional_amount,
        any_value(went.presentment_amount) AS old_presentment_amount
    FROM came
    INNER JOIN went
        ON
            came.opens_on = went.opens_on
            AND came.side = went.side
            AND came.feed = went.feed
            AND came.line_id = went.line_id
    GROUP BY came.opens_on, came.side, came.feed, came.line_id
    HAVING
        count(*) = 1
        AND bool_and(
            came.entity = went.entity
            AND came.currency = went.currency
            AND came.period = went.period
            AND came.amount <> went.amount
            AND came.keys IS NOT DISTINCT FROM went.keys
            AND came.component IS NOT DISTINCT FROM went.component
            AND came.ref IS NOT DISTINCT FROM went.ref
            AND came.account IS NOT DISTINCT FROM went.account
            AND came.journal_ref IS NOT DISTINCT FROM went.journal_ref
            AND came.reversal_of IS NOT DISTINCT FROM went.reversal_of
            AND came.in_scope = went.in_scope
        )
),

gone AS (
    SELECT DISTINCT
        side,
        feed,
        line_id,
        entity,
        last_day,
        mark
    FROM went
),

renamed AS (
    SELECT
        side,
        feed,
        line_id,
        max(mark) AS mark
    FROM gone
    GROUP BY side, feed, line_id
),

-- A line that left a locked month for an open one: its name is taken there.
elsewhere AS (
    SELECT
        numbered.side,
        numbered.feed,
        numbered.line_id,
        numbered.entity,
        numbered.period,
        max(gone.mark) AS mark
    FROM numbered
    INNER JOIN gone
        ON
            numbered.side = gone.side
            AND numbered.feed = gone.feed
            AND numbered.line_id = gone.line_id
            AND (numbered.entity <> gone.entity OR numbered.period > gone.last_day)
    GROUP BY
        numbered.side, numbered.feed, numbered.line_id, numbered.entity, numbered.period
),

-- Lines in the step they belong to.
standing AS (
    SELECT
        numbered.* REPLACE (
            numbered.line_id || coalesce(elsewhere.mark, '') AS line_id,
            numbered.period AS counted_on
        )
    FROM numbered
    INNER JOIN lock_step
        ON
            numbered.entity = lock_step.entity
            AND numbered.state = lock_step.state
            AND numbered.period BETWEEN lock_step.first_day AND lock_step.last_day
    LEFT JOIN elsewhere
        ON
            numbered.side = elsewhere.side
            AND numbered.feed = elsewhere.feed
            AND numbered.line_id = elsewhere.line_id
            AND numbered.entity = elsewhere.entity
            AND numbered.period = elsewhere.period
),

correcting AS (
    SELECT
        came.* REPLACE (
            came.line_id || came.mark AS line_id,
            came.opens_on AS counted_on,
            came.amount - changed.old_amount AS amount,
            came.functional_amount - changed.old_functional_amount AS functional_amount,
            came.presentment_amount - changed.old_presentment_amount AS presentment_amount
        )
    FROM came
    INNER JOIN changed
        ON
            came.opens_on = changed.opens_on
            AND came.side = changed.side
            AND came.feed = changed.feed
            AND came.line_id = changed.line_id
    UNION ALL
    SELECT
        came.* REPLACE (
            came.line_id || coalesce(renamed.mark, '') AS line_id,
            came.opens_on AS counted_on
        )
    FROM came
    LEFT JOIN renamed
        ON
            came.side = renamed.side
            AND came.feed = renamed.feed
            AND came.line_id = renamed.line_id
    ANTI JOIN changed
        ON
            came.opens_on = changed.opens_on
            AND came.side = changed.side
            AND came.feed = changed.feed
            AND came.line_id = changed.line_id
    UNION ALL
    SELECT
        went.* REPLACE (
            concat(
                went.line_id, went.mark, '~was', CASE WHEN went.copy > 1 THEN '~' || went.copy END
            ) AS line_id,
            went.opens_on AS counted_on,
            -went.amount AS amount,
            -went.functional_amount AS functional_amount,
            -went.presentment_amount AS presentment_amount
        )
    FROM went
    ANTI JOIN changed
        ON
            went.opens_on = changed.opens_on
            AND went.side = changed.side
            AND went.feed = changed.feed
            AND went.line_id = changed.line_id
)

SELECT * EXCLUDE (state, copy) FROM standing
UNION ALL BY NAME
SELECT * EXCLUDE (state, copy, opens_on, last_day, mark) FROM correcting
