-- grain: one open line of a group, or the open single line it was meant for, with equal key
-- inputs: open_line, diagnosis; $pass, $many (side of the group), $variance
-- output: rows of diagnosis; the group is compared as a whole, by its sum; it is a fee or a tax
--   that varies where all source lines are one
INSERT INTO diagnosis BY NAME
WITH waiting AS (
    SELECT
        open_line.*,
        open_line.feed || ' ' || open_line.line_id AS name
    FROM open_line
    ANTI JOIN diagnosis ON open_line.lid = diagnosis.lid
),

group_sum AS (
    SELECT
        match_key,
        entity,
        currency,
        sum(amount) AS amount,
        count(*) AS lines,
        max(finest) AS finest,
        min(own_currency) AS first_currency,
        max(own_currency) AS last_currency,
        CASE WHEN min(component) = max(component) THEN min(component) END AS component,
        min(date_trunc('month', period)) AS first_month,
        max(date_trunc('month', period)) AS last_month,
        arg_min(lid, name) AS first_lid
    FROM waiting
    WHERE side = $many
    GROUP BY match_key, entity, currency
),

likened AS (
    SELECT
        group_sum.match_key,
        group_sum.entity,
        group_sum.currency,
        group_sum.amount,
        group_sum.lines,
        CASE WHEN $many = 'source' THEN group_sum.component ELSE single.component END
            AS component,
        group_sum.first_lid,
        single.lid AS single_lid,
        single.name,
        single.entity = group_sum.entity AS same_entity,
        single.currency = group_sum.currency AS same_currency,
        single.own_currency = group_sum.first_currency
        AND single.own_currency = group_sum.last_currency
        AND single.own_currency = single.currency AS same_own,
        abs(single.amount - group_sum.amount) AS gap,
        date_trunc('month', single.period) BETWEEN group_sum.first_month AND group_sum.last_month
            AS same_month
    FROM group_sum
    INNER JOIN waiting AS single ON group_sum.match_key = single.match_key
    WHERE single.side <> $many AND greatest(group_sum.finest, single.finest) = $pass
),

ranked AS (
    SELECT
        *,
        CASE
            WHEN same_entity AND same_currency AND gap = 0 THEN 1
            WHEN same_currency AND gap = 0 THEN 2
            WHEN same_entity AND NOT same_currency THEN 3
            WHEN same_entity THEN 4
            ELSE 5
        END AS nearness
    FROM likened
),

chosen AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY match_key, entity, currency ORDER BY nearness, gap, name
        ) AS of_group,
        row_number() OVER (
            PARTITION BY single_lid ORDER BY nearness, gap, entity, currency
        ) AS of_single
    FROM ranked
),

verdict AS (
    SELECT
        *,
        CASE
            WHEN nearness = 1 AND same_month THEN 'late_arrival'
            WHEN nearness = 1 THEN 'period_mismatch'
            WHEN NOT same_entity THEN 'entity_mismatch'
            WHEN NOT same_currency THEN 'currency_mismatch'
            WHEN NOT same_own THEN 'fx_difference'
            WHEN component IN ('fee', 'tax') THEN component || '_variance'
            ELSE $variance
        END AS break_class
    FROM chosen
    WHERE of_group = 1 AND of_single = 1
)

SELECT
    waiting.lid,
    verdict.break_class,
    verdict.single_lid AS other_lid,
    verdict.amount AS group_amount,
    verdict.lines AS group_count,
    TRUE AS group_member
FROM waiting
INNER JOIN verdict
    ON
        waiting.match_key = verdict.match_key
        AND waiting.entity = verdict.entity
        AND waiting.currency = verdict.currency
WHERE waiting.side = $many
UNION ALL
SELECT
    single_lid AS lid,
    break_class,
    first_lid AS other_lid,
    amount AS group_amount,
    lines AS group_count,
    FALSE AS group_member
FROM verdict
