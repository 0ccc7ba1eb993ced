-- grain: one line of a pair among several with equal key and amount: the k-th with the k-th
-- inputs: free_line, taken; $pass, $first_day, $last_day (target date minus source date)
-- output: rows of taken; a line without any partner inside the window does not count in the order
INSERT INTO taken BY NAME
WITH source_line AS (
    SELECT
        free_line.*,
        row_number() OVER (
            PARTITION BY
                free_line.match_key, free_line.entity, free_line.currency, free_line.amount
            ORDER BY free_line.period, free_line.feed, free_line.line_id
        ) AS kth
    FROM free_line
    ANTI JOIN taken ON free_line.lid = taken.lid
    SEMI JOIN (
        SELECT free_line.*
        FROM free_line
        ANTI JOIN taken ON free_line.lid = taken.lid
        WHERE free_line.side = 'target'
    ) AS partner
        ON
            free_line.match_key = partner.match_key
            AND free_line.amount = partner.amount
            AND free_line.entity = partner.entity
            AND free_line.currency = partner.currency
            AND partner.period - free_line.period BETWEEN $first_day AND $last_day
    WHERE free_line.side = 'source'
),

target_line AS (
    SELECT
        free_line.*,
        row_number() OVER (
            PARTITION BY
                free_line.match_key, free_line.entity, free_line.currency, free_line.amount
            ORDER BY free_line.period, free_line.feed, free_line.line_id
        ) AS kth
    FROM free_line
    ANTI JOIN taken ON free_line.lid = taken.lid
    SEMI JOIN source_line
        ON
            free_line.match_key = source_line.match_key
            AND free_line.amount = source_line.amount
            AND free_line.entity = source_line.entity
            AND free_line.currency = source_line.currency
            AND free_line.period - source_line.period BETWEEN $first_day AND $last_day
    WHERE free_line.side = 'target'
),

pair AS (
    SELECT
        source_line.lid AS source_lid,
        target_line.lid AS target_lid,
        greatest(source_line.period, target_line.period) AS cleared_on
    FROM source_line
    INNER JOIN target_line
        ON
            source_line.match_key = target_line.match_key
            AND source_line.amount = target_line.amount
            AND source_line.entity = target_line.entity
            AND source_line.currency = target_line.currency
            AND source_line.kth = target_line.kth
    WHERE target_line.period - source_line.period BETWEEN $first_day AND $last_day
)

SELECT
    unnest([source_lid, target_lid]) AS lid,
    $pass AS pass,
    source_lid AS match_lid,
    unnest([target_lid, source_lid]) AS other_lid,
    cleared_on,
    0 AS residual
FROM pair
