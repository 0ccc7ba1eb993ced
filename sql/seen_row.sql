-- grain: one line as a pass sees it that compares functional amounts, or asks for no entity: free,
--   or taken by this pass
-- inputs: line_row, taken, half_unit, entity_currency (entity, currency), rate (feed, currency,
--   functional, first_day, last_day, rate); $pass, $functional, $any_entity
-- output: table seen_row: line_row with lid, entity, currency and amount as the pass compares them;
--   own_currency as it was, fx_rounding what the sender's conversion left by rounding (NULL where
--   the line is not its presentment amount times its rate, or not in the entity's own currency)
CREATE OR REPLACE TEMP TABLE seen_row AS
SELECT
    line_row.rowid AS lid,
    line_row.* REPLACE (
        CASE WHEN $any_entity THEN '*' ELSE line_row.entity END AS entity,
        CASE WHEN $functional THEN entity_currency.currency ELSE line_row.currency END AS currency,
        CASE
            WHEN NOT $functional OR line_row.currency = entity_currency.currency
                THEN line_row.amount
            ELSE
                coalesce(
                    line_row.functional_amount,
                    half_up(line_row.amount * rate.rate, own_unit.digits)
                )
        END AS amount
    ),
    line_row.currency AS own_currency,
    CASE
        WHEN
            line_row.currency = entity_currency.currency
            AND abs(
                line_row.presentment_amount * line_row.exchange_rate - line_row.amount
            ) <= half_unit.half
            THEN line_row.presentment_amount * line_row.exchange_rate - line_row.amount
    END AS fx_rounding
FROM line_row
LEFT JOIN half_unit ON line_row.currency = half_unit.currency
LEFT JOIN entity_currency ON line_row.entity = entity_currency.entity
LEFT JOIN half_unit AS own_unit ON entity_currency.currency = own_unit.currency
LEFT JOIN rate
    ON
        line_row.feed = rate.feed
        AND line_row.currency = rate.currency
        AND entity_currency.currency = rate.functional
        AND line_row.period BETWEEN rate.first_day AND rate.last_day
LEFT JOIN taken ON line_row.rowid = taken.lid
WHERE
    line_row.keys[$pass] IS NOT NULL
    AND coalesce(taken.pass, $pass) = $pass
    AND (
        NOT $functional
        OR line_row.currency = entity_currency.currency
        OR line_row.functional_amount IS NOT NULL
        OR rate.rate IS NOT NULL
    )
