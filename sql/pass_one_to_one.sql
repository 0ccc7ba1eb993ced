-- grain: one line of a pair with equal key and amount, where each side has just one such line
-- inputs: line, taken; $pass, $first_day, $last_day (target date minus source date)
-- output: rows of taken
INSERT INTO taken BY NAME
WITH free AS (
    SELECT
        line.lid,
        line.side,
        line.entity,
        line.currency,
        line.amount,
        line.period,
        line.keys[$pass] AS match_key
    FROM line
    ANTI JOIN taken ON line.lid = taken.lid
    WHERE line.in_scope AND line.keys[$pass] IS NOT NULL
),

source_group AS (
    SELECT
        match_key,
        entity,
        currency,
        amount,
        min(lid) AS lid,
        min(period) AS period,
        count(*) AS lines
    FROM free
    WHERE side = 'source'
    GROUP BY match_key, entity, currency, amount
),

target_group AS (
    SELECT
        match_key,
        entity,
        currency,
        amount,
        min(lid) AS lid,
        min(period) AS period,
        count(*) AS lines
    FROM free
    WHERE side = 'target'
    GROUP BY match_key, entity, currency, amount
),

pair AS (
    SELECT
        source_group.lid AS source_lid,
        target_group.lid AS target_lid,
        greatest(source_group.period, target_group.period) AS cleared_on
    FROM source_group
    INNER JOIN target_group
        ON
            source_group.match_key = target_group.match_key
            AND source_group.amount = target_group.amount
            AND source_group.entity = target_group.entity
            AND source_group.currency = target_group.currency
    WHERE
        source_group.lines = 1
        AND target_group.lines = 1
        AND target_group.period - source_group.period BETWEEN $first_day AND $last_day
)

SELECT
    unnest([source_lid, target_lid]) AS lid,
    $pass AS pass,
    source_lid AS match_lid,
    unnest([target_lid, source_lid]) AS other_lid,
    cleared_on,
    0 AS residual
FROM pair
