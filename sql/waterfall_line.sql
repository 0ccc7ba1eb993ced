-- grain: one line that counts (not a second delivery), with a number of its own
-- inputs: outcome; $source_through, $target_through (last day delivered of a side)
-- output: table waterfall_line; open_as is timing or the break class
CREATE OR REPLACE TEMP TABLE waterfall_line AS
SELECT
    row_number() OVER () AS rid,
    side,
    feed,
    line_id,
    entity,
    currency,
    component,
    period,
    outcome,
    pass,
    match_ref,
    label,
    break_class,
    counterpart_feed,
    counterpart,
    coalesce(group_count, 1) AS group_count,
    CAST(amount AS DECIMAL(38, 12)) AS amount,
    residual,
    coalesce(rounding, 0) AS rounding,
    CASE
        WHEN due_on > CASE WHEN side = 'source' THEN $target_through ELSE $source_through END
            THEN 'timing'
        ELSE break_class
    END AS open_as
FROM outcome
WHERE outcome <> 'duplicate'
