-- grain: one line of a group of one side whose sum is a single line of the other side
-- inputs: free_line, half_unit; $pass, $many (side of the group), $direction (1: the single line is
--   the target), $first_day, $last_day, $received_by_target, $absolute, $fraction, $base, $both,
--   $label (of a residual; of a rounding the rule that proves it), $across (a residual only
--   where a line is in another currency than it is compared in)
-- output: rows of taken; of equal single lines the first takes the group, the rest stay
INSERT INTO taken BY NAME
WITH single AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY match_key, entity, currency, amount ORDER BY period, feed, line_id
        ) AS occurrence,
        count(*) OVER (PARTITION BY match_key, entity, currency) AS rivals
    FROM free_line
    WHERE side <> $many
),

member AS (
    SELECT
        single.lid AS single_lid,
        single.amount AS single_amount,
        single.period AS single_period,
        single.rivals,
        single.feed || ' ' || single.line_id AS single_name,
        single.own_currency <> single.currency
        OR free_line.own_currency <> free_line.currency AS converted,
        free_line.lid,
        free_line.amount,
        free_line.period,
        free_line.match_key,
        free_line.entity,
        free_line.currency,
        half_unit.half,
        half_unit.digits,
        free_line.feed || ' ' || free_line.line_id AS name
    FROM single
    INNER JOIN free_line
        ON
            single.match_key = free_line.match_key
            AND single.entity = free_line.entity
            AND single.currency = free_line.currency
    INNER JOIN half_unit ON free_line.currency = half_unit.currency
    WHERE
        single.occurrence = 1
        AND free_line.side = $many
        AND (NOT $received_by_target OR free_line.received_on <= single.period)
),

sums AS (
    SELECT
        single_lid,
        single_amount,
        single_period,
        single_name,
        rivals,
        match_key,
        entity,
        currency,
        half,
        digits,
        sum(amount) AS amount,
        count(*) AS lines,
        bool_or(converted) AS converted,
        single_amount - sum(amount) AS gap,
        sum(CASE WHEN $label = 'rounding' THEN half_up(amount, digits) END) AS up,
        sum(CASE WHEN $label = 'rounding' THEN half_even(amount, half, digits) END) AS even,
        sum(CASE WHEN $label = 'rounding' THEN truncated(amount, half, digits) END) AS cut,
        CASE $base
            WHEN 'single' THEN abs(single_amount)
            WHEN 'many' THEN abs(sum(amount))
            ELSE greatest(abs(single_amount), abs(sum(amount)))
        END AS base,
        arg_min(lid, name) AS first_lid,
        min(period) AS first_period,
        max(period) AS last_period
    FROM member
    GROUP BY
        single_lid, single_amount, single_period, single_name, rivals, match_key, entity, currency,
        half, digits
),

named AS (
    SELECT
        *,
        CASE
            WHEN $label = 'rounding'
                THEN coalesce(
                    rounding_rule(
                        CAST(amount AS DECIMAL(38, 12)), up, even, cut,
                        single_amount, lines, half, digits
                    ),
                    rounding_rule(
                        CAST(single_amount AS DECIMAL(38, 12)), NULL, NULL, NULL,
                        amount, 1, half, digits
                    )
                )
            ELSE $label
        END AS label
    FROM sums
),

fitting AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY match_key, entity, currency
            ORDER BY abs(gap), single_period, single_name
        ) AS choice
    FROM named
    WHERE
        (single_period - first_period) * $direction BETWEEN $first_day AND $last_day
        AND (single_period - last_period) * $direction BETWEEN $first_day AND $last_day
        AND (
            gap = 0
            OR (
                rivals = 1
                AND label IS NOT NULL
                AND (NOT $across OR converted)
                AND ($label = 'rounding' OR tolerated(gap, base, $absolute, $fraction, $both))
            )
        )
)

SELECT
    member.lid,
    $pass AS pass,
    fitting.single_lid AS match_lid,
    fitting.single_lid AS other_lid,
    greatest(fitting.single_period, fitting.last_period) AS cleared_on,
    0 AS residual,
    NULL AS label
FROM fitting
INNER JOIN member ON fitting.single_lid = member.single_lid
WHERE fitting.choice = 1
UNION ALL
SELECT
    single_lid AS lid,
    $pass AS pass,
    single_lid AS match_lid,
    first_lid AS other_lid,
    greatest(single_period, last_period) AS cleared_on,
    gap * $direction AS residual,
    CASE WHEN gap <> 0 THEN label END AS label
FROM fitting
WHERE choice = 1
