-- grain: one line of a pair of open lines with equal key that differ in date, entity, currency or
--   amount
-- inputs: open_line, diagnosis, crowd (keys left out); $pass, $variance (class of an amount
--   difference)
-- output: rows of diagnosis: pairs that are each other's nearest; two lines that both have a finer
--   key are not near each other at a coarser one; where only rates differ group_amount is what the
--   other one comes to
INSERT INTO diagnosis BY NAME
WITH waiting AS (
    SELECT open_line.*
    FROM open_line
    ANTI JOIN diagnosis ON open_line.lid = diagnosis.lid
    ANTI JOIN crowd ON open_line.match_key = crowd.match_key
),

candidate AS (
    SELECT
        source_line.lid AS source_lid,
        target_line.lid AS target_lid,
        source_line.component,
        source_line.feed || ' ' || source_line.line_id AS source_name,
        target_line.feed || ' ' || target_line.line_id AS target_name,
        source_line.amount AS source_amount,
        target_line.amount AS target_amount,
        abs(target_line.amount - source_line.amount) AS gap,
        abs(target_line.period - source_line.period) AS days,
        source_line.entity = target_line.entity AS same_entity,
        source_line.currency = target_line.currency AS same_currency,
        source_line.own_currency = target_line.own_currency
        AND source_line.own_currency = source_line.currency AS same_own,
        date_trunc('month', source_line.period)
        = date_trunc('month', target_line.period) AS same_month
    FROM waiting AS source_line
    INNER JOIN waiting AS target_line ON source_line.match_key = target_line.match_key
    WHERE
        source_line.side = 'source'
        AND target_line.side = 'target'
        AND greatest(source_line.finest, target_line.finest) = $pass
),

likened AS (
    SELECT
        *,
        CASE
            WHEN same_entity AND same_currency AND gap = 0 THEN 1
            WHEN same_currency AND gap = 0 THEN 2
            WHEN same_entity AND NOT same_currency THEN 3
            WHEN same_entity THEN 4
            ELSE 5
        END AS nearness
    FROM candidate
),

ranked AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY source_lid ORDER BY nearness, gap, days, target_name
        ) AS of_source,
        row_number() OVER (
            PARTITION BY target_lid ORDER BY nearness, gap, days, source_name
        ) AS of_target
    FROM likened
)

SELECT
    unnest([source_lid, target_lid]) AS lid,
    CASE
        WHEN nearness = 1 AND same_month THEN 'late_arrival'
        WHEN nearness = 1 THEN 'period_mismatch'
        WHEN NOT same_entity THEN 'entity_mismatch'
        WHEN NOT same_currency THEN 'currency_mismatch'
        WHEN NOT same_own THEN 'fx_difference'
        WHEN component IN ('fee', 'tax') THEN component || '_variance'
        ELSE $variance
    END AS break_class,
    unnest([target_lid, source_lid]) AS other_lid,
    CASE
        WHEN nearness = 4 AND NOT same_own THEN unnest([target_amount, source_amount])
    END AS group_amount,
    1 AS group_count,
    FALSE AS group_member
FROM ranked
WHERE of_source = 1 AND of_target = 1
