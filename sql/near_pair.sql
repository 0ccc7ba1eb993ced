-- grain: one pair of free lines with equal key whose amounts differ by no more than the tolerance
-- inputs: free_line, taken, half_unit; $first_day, $last_day, $absolute, $fraction, $base, $both,
--   $label (of a residual; of a rounding the rule that proves it), $across (only where a
--   line is in another currency than it is compared in)
-- output: table near_pair; a line may be in many pairs
CREATE OR REPLACE TEMP TABLE near_pair AS
WITH free AS (
    SELECT free_line.*
    FROM free_line
    ANTI JOIN taken ON free_line.lid = taken.lid
),

candidate AS (
    SELECT
        source_line.lid AS source_lid,
        target_line.lid AS target_lid,
        target_line.amount - source_line.amount AS residual,
        abs(target_line.period - source_line.period) AS days,
        greatest(source_line.period, target_line.period) AS cleared_on,
        source_line.feed || ' ' || source_line.line_id AS source_name,
        target_line.feed || ' ' || target_line.line_id AS target_name,
        CASE
            WHEN $label = 'rounding'
                THEN coalesce(
                    rounding_rule(
                        CAST(source_line.amount AS DECIMAL(38, 12)), NULL, NULL, NULL,
                        target_line.amount, 1, half_unit.half, half_unit.digits
                    ),
                    rounding_rule(
                        CAST(target_line.amount AS DECIMAL(38, 12)), NULL, NULL, NULL,
                        source_line.amount, 1, half_unit.half, half_unit.digits
                    )
                )
            ELSE $label
        END AS label,
        CASE $base
            WHEN 'source' THEN abs(source_line.amount)
            WHEN 'target' THEN abs(target_line.amount)
            ELSE greatest(abs(source_line.amount), abs(target_line.amount))
        END AS base
    FROM free AS source_line
    INNER JOIN free AS target_line
        ON
            source_line.match_key = target_line.match_key
            AND source_line.entity = target_line.entity
            AND source_line.currency = target_line.currency
    INNER JOIN half_unit ON source_line.currency = half_unit.currency
    WHERE
        source_line.side = 'source'
        AND target_line.side = 'target'
        AND target_line.period - source_line.period BETWEEN $first_day AND $last_day
        AND (
            NOT $across
            OR source_line.own_currency <> source_line.currency
            OR target_line.own_currency <> target_line.currency
        )
)

SELECT
    source_lid,
    target_lid,
    residual,
    days,
    cleared_on,
    source_name,
    target_name,
    CASE WHEN residual <> 0 THEN label END AS label
FROM candidate
WHERE
    label IS NOT NULL
    AND ($label = 'rounding' OR tolerated(residual, base, $absolute, $fraction, $both))
