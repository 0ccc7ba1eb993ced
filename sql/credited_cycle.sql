-- grain: one subscription, meter and cycle of which nothing stays billed
-- inputs: invoice_line (invoice lines as published)
-- output: table credited_cycle: there are credits, and with them all its lines but tax sum to zero
CREATE OR REPLACE TEMP TABLE credited_cycle AS
WITH credit AS (
    SELECT DISTINCT
        entity,
        currency,
        subscription_ref,
        meter,
        service_start
    FROM invoice_line
    WHERE line_type = 'credit' AND meter IS NOT NULL
),

charged AS (
    SELECT invoice_line.*
    FROM invoice_line
    SEMI JOIN credit
        ON
            invoice_line.entity = credit.entity
            AND invoice_line.currency = credit.currency
            AND invoice_line.subscription_ref = credit.subscription_ref
            AND invoice_line.meter = credit.meter
            AND invoice_line.service_start = credit.service_start
    QUALIFY
        row_number() OVER (
            PARTITION BY invoice_line.feed, invoice_line.line_id
            ORDER BY invoice_line.received_on, invoice_line.extract_sha256, invoice_line.row_number
        ) = 1
)

SELECT
    entity,
    currency,
    subscription_ref,
    meter,
    service_start
FROM charged
WHERE line_type <> 'tax'
GROUP BY entity, currency, subscription_ref, meter, service_start
HAVING sum(amount) = 0 AND bool_or(line_type = 'credit')
