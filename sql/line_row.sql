-- grain: one line of either side that this run works on
-- inputs: working_line (projected lines of both sides)
-- output: table line_row, behind view line; finest is the first pass with a key
CREATE OR REPLACE TEMP TABLE line_row AS
SELECT
    side,
    feed,
    line_id,
    extract_sha256,
    row_number AS extract_row,
    received_on,
    entity,
    currency,
    amount,
    occurred_on,
    period,
    counted_on,
    component,
    ref,
    account,
    account_class,
    journal_ref,
    reversal_of,
    in_scope,
    keys,
    finest,
    functional_amount,
    presentment_amount,
    try_cast(exchange_rate AS DECIMAL(20, 12)) AS exchange_rate,
    fee_rule
FROM working_line
