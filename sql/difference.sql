-- grain: one break of a reconciliation, open line of its group, or residual of a match
-- inputs: outcome; $reconciliation, $first_day, $last_day (the period asked),
--   $near_first, $near_last (as far around it as lines of one group lie), $source_through,
--   $target_through (last day delivered of a side)
-- output: table difference; `fact` names what lines are about together: the posting they stand
--   against, their match or themselves; with a line of the period comes all of its fact
CREATE OR REPLACE TEMP TABLE difference AS
WITH judged AS (
    SELECT
        outcome.*,
        outcome.period BETWEEN $first_day AND $last_day AS inside,
        outcome.outcome = 'matched'
        OR outcome.due_on
        <= CASE WHEN outcome.side = 'source' THEN $target_through ELSE $source_through END
            AS due,
        coalesce(outcome.counterpart_feed, '') || ' ' || coalesce(outcome.counterpart, '')
            AS other_name,
        outcome.feed || ' ' || outcome.line_id AS own_name
    FROM outcome
    WHERE outcome.outcome = 'open' OR (outcome.outcome = 'matched' AND outcome.residual <> 0)
),

named AS (
    SELECT
        * EXCLUDE (own_name, other_name),
        $reconciliation AS reconciliation,
        CASE
            WHEN outcome = 'matched' THEN concat_ws(' ', 'match', pass, match_ref)
            WHEN own_name = other_name
                THEN concat_ws(' ', 'delivery', side, own_name, extract_sha256, row_number)
            WHEN
                counterpart IS NULL
                OR break_class IN (
                    'missing_in_target', 'missing_in_source', 'duplicate_in_source',
                    'duplicate_in_target', 'late_usage', 'ambiguous'
                )
                THEN concat_ws(' ', 'line', side, own_name)
            -- group_amount is here what the other one comes to, and both are a pair
            WHEN break_class = 'fx_difference' AND group_count = 1
                THEN concat_ws(' ', 'line', 'target', if(side = 'source', other_name, own_name))
            WHEN group_member
                THEN concat_ws(' ', 'line', if(side = 'source', 'target', 'source'), other_name)
            WHEN group_amount IS NOT NULL THEN concat_ws(' ', 'line', side, own_name)
            WHEN side = 'source' THEN concat_ws(' ', 'line', 'target', other_name)
            ELSE concat_ws(' ', 'line', side, own_name)
        END AS fact
    FROM judged
),

asked AS (
    SELECT DISTINCT named.fact
    FROM named
    WHERE named.inside AND named.due
)

SELECT named.*
FROM named
WHERE
    named.fact IN (SELECT asked.fact FROM asked)
    OR (named.break_class = 'missing_in_target' AND named.period BETWEEN $near_first AND $near_last)
