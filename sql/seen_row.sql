-- grain: one line as a pass sees it that compares functional amounts, or asks for no entity: free,
--   or taken by this pass
-- inputs: line_row, taken, entity_currency (entity, currency); $pass, $functional, $any_entity
-- output: table seen_row: line_row with lid, entity, currency and amount as the pass compares them;
--   own_currency as it was, fx_rounding what the sender's conversion left by rounding
CREATE OR REPLACE TEMP TABLE seen_row AS
SELECT
    line_row.rowid AS lid,
    line_row.* REPLACE (
        CASE WHEN $any_entity THEN '*' ELSE line_row.entity END AS entity,
        CASE WHEN $functional THEN entity_currency.currency ELSE line_row.currency END AS currency,
        CASE
            WHEN NOT $functional OR line_row.currency = entity_currency.currency
                THEN line_row.amount
            ELSE line_row.functional_amount
        END AS amount
    ),
    line_row.currency AS own_currency,
    CAST(
        line_row.presentment_amount * CAST(line_row.exchange_rate AS DECIMAL(20, 12))
        AS DECIMAL(38, 12)
    ) - line_row.amount AS fx_rounding
FROM line_row
LEFT JOIN entity_currency ON line_row.entity = entity_currency.entity
LEFT JOIN taken ON line_row.rowid = taken.lid
WHERE
    line_row.keys[$pass] IS NOT NULL
    AND coalesce(taken.pass, $pass) = $pass
    AND (
        NOT $functional
        OR line_row.currency = entity_currency.currency
        OR line_row.functional_amount IS NOT NULL
    )
