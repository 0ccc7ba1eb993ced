-- grain: one row refused on its way in, on the side its feed has in the reconciliation
-- inputs: source_quarantine, target_quarantine; $source_sign, $target_sign
-- output: table refused_row; what could not be read stands under entity * and currency XXX
CREATE OR REPLACE TEMP TABLE refused_row AS
SELECT
    'source' AS side,
    coalesce(entity, '*') AS entity,
    coalesce(currency, 'XXX') AS currency,
    coalesce(period, received_on) AS period,
    coalesce(amount, 0) * CAST($source_sign AS TINYINT) AS amount
FROM source_quarantine
UNION ALL
SELECT
    'target' AS side,
    coalesce(entity, '*') AS entity,
    coalesce(currency, 'XXX') AS currency,
    coalesce(period, received_on) AS period,
    coalesce(amount, 0) * CAST($target_sign AS TINYINT) AS amount
FROM target_quarantine
