-- grain: one line of two groups with equal key whose sums agree
-- inputs: free_line, half_unit; $pass, $first_day, $last_day, $absolute, $fraction, $base, $both,
--   $label (of a residual; of a rounding the rule that proves it), $across (a residual only
--   where a line is in another currency than it is compared in)
-- output: rows of taken
INSERT INTO taken BY NAME
WITH side_sum AS (
    SELECT
        free_line.side,
        free_line.match_key,
        free_line.entity,
        free_line.currency,
        sum(free_line.amount) AS amount,
        count(*) AS lines,
        bool_or(free_line.own_currency <> free_line.currency) AS converted,
        sum(CASE WHEN $label = 'rounding' THEN half_up(free_line.amount, half_unit.digits) END)
            AS up,
        sum(
            CASE
                WHEN $label = 'rounding'
                    THEN half_even(free_line.amount, half_unit.half, half_unit.digits)
            END
        ) AS even,
        sum(
            CASE
                WHEN $label = 'rounding'
                    THEN truncated(free_line.amount, half_unit.half, half_unit.digits)
            END
        ) AS cut,
        min(free_line.period) AS first_period,
        max(free_line.period) AS last_period,
        arg_min(free_line.lid, free_line.feed || ' ' || free_line.line_id) AS first_lid
    FROM free_line
    INNER JOIN half_unit ON free_line.currency = half_unit.currency
    GROUP BY free_line.side, free_line.match_key, free_line.entity, free_line.currency
),

facing AS (
    SELECT
        source_sum.match_key,
        source_sum.entity,
        source_sum.currency,
        source_sum.first_lid AS source_lid,
        target_sum.first_lid AS target_lid,
        target_sum.amount - source_sum.amount AS residual,
        greatest(source_sum.last_period, target_sum.last_period) AS cleared_on,
        source_sum.converted OR target_sum.converted AS converted,
        CASE
            WHEN $label = 'rounding'
                THEN coalesce(
                    rounding_rule(
                        CAST(source_sum.amount AS DECIMAL(38, 12)),
                        source_sum.up, source_sum.even, source_sum.cut,
                        target_sum.amount, source_sum.lines, half_unit.half, half_unit.digits
                    ),
                    rounding_rule(
                        CAST(target_sum.amount AS DECIMAL(38, 12)),
                        target_sum.up, target_sum.even, target_sum.cut,
                        source_sum.amount, target_sum.lines, half_unit.half, half_unit.digits
                    )
                )
            ELSE $label
        END AS label,
        CASE $base
            WHEN 'source' THEN abs(source_sum.amount)
            WHEN 'target' THEN abs(target_sum.amount)
            ELSE greatest(abs(source_sum.amount), abs(target_sum.amount))
        END AS base
    FROM side_sum AS source_sum
    INNER JOIN side_sum AS target_sum
        ON
            source_sum.match_key = target_sum.match_key
            AND source_sum.entity = target_sum.entity
            AND source_sum.currency = target_sum.currency
    INNER JOIN half_unit ON source_sum.currency = half_unit.currency
    WHERE
        source_sum.side = 'source'
        AND target_sum.side = 'target'
        AND target_sum.first_period - source_sum.last_period >= $first_day
        AND target_sum.last_period - source_sum.first_period <= $last_day
),

fitting AS (
    SELECT *
    FROM facing
    WHERE
        residual = 0
        OR label IS NOT NULL
        AND (NOT $across OR converted)
        AND ($label = 'rounding' OR tolerated(residual, base, $absolute, $fraction, $both))
)

SELECT
    free_line.lid,
    $pass AS pass,
    fitting.source_lid AS match_lid,
    CASE
        WHEN free_line.side = 'source' THEN fitting.target_lid ELSE fitting.source_lid
    END AS other_lid,
    fitting.cleared_on,
    CASE WHEN free_line.lid = fitting.source_lid THEN fitting.residual ELSE 0 END AS residual,
    CASE WHEN free_line.lid = fitting.source_lid AND fitting.residual <> 0 THEN fitting.label END
        AS label
FROM free_line
INNER JOIN fitting
    ON
        free_line.match_key = fitting.match_key
        AND free_line.entity = fitting.entity
        AND free_line.currency = fitting.currency
