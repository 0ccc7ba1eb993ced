-- grain: one difference between what a sender states and what its file holds
-- inputs: source_delivery, target_delivery; $source_sign, $target_sign
-- output: table undelivered in the signs of the sides; where a file holds more than its sender
--   states, less than nothing is missing
CREATE OR REPLACE TEMP TABLE undelivered AS
WITH delivery AS (
    SELECT
        'source' AS side,
        CAST($source_sign AS TINYINT) AS sign,
        *
    FROM source_delivery
    UNION ALL
    SELECT
        'target' AS side,
        CAST($target_sign AS TINYINT) AS sign,
        *
    FROM target_delivery
)

SELECT
    side,
    feed,
    ref,
    extract_sha256,
    coalesce(entity, '*') AS entity,
    coalesce(currency, 'XXX') AS currency,
    received_on AS period,
    coalesce(stated_count - found_count, 0) AS lines,
    coalesce(stated_amount - found_amount, 0) * sign AS amount
FROM delivery
WHERE break_class IN ('control_total_mismatch', 'count_mismatch')
