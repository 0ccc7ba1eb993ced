-- grain: one row refused on its way in, on the side its feed has in the reconciliation
-- inputs: source_quarantine, target_quarantine; $source_sign, $target_sign
-- output: table refused_row; what could not be read stands under entity * and currency XXX
CREATE OR REPLACE TEMP TABLE refused_row AS
WITH refused AS (
    SELECT
        'source' AS side,
        CAST($source_sign AS TINYINT) AS sign,
        *
    FROM source_quarantine
    UNION ALL
    SELECT
        'target' AS side,
        CAST($target_sign AS TINYINT) AS sign,
        *
    FROM target_quarantine
)

SELECT
    side,
    feed,
    line_id,
    extract_sha256,
    row_number,
    received_on,
    coalesce(entity, '*') AS entity,
    coalesce(currency, 'XXX') AS currency,
    coalesce(period, received_on) AS period,
    coalesce(amount, 0) * sign AS amount
FROM refused
