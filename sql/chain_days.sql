-- grain: one day of the chain whose outcomes may change
-- inputs: first_outcome (all days), second_dirty (changed days of the second link), invoice_line,
--   invoice_dirty (invoice lines of changed windows, as they are and as they were)
-- output: rows of one day each; a credit changes what is said of the cycle that it credits
WITH billed AS (
    SELECT
        feed,
        line_id
    FROM second_dirty
    UNION
    SELECT
        feed,
        line_id
    FROM invoice_dirty
    UNION
    SELECT
        invoice_line.feed,
        invoice_line.line_id
    FROM invoice_line
    SEMI JOIN invoice_dirty
        ON
            invoice_line.entity = invoice_dirty.entity
            AND invoice_line.currency = invoice_dirty.currency
            AND invoice_line.subscription_ref = invoice_dirty.subscription_ref
            AND invoice_line.meter = invoice_dirty.meter
            AND invoice_line.service_start = invoice_dirty.service_start
)

SELECT DISTINCT first_outcome.period
FROM first_outcome
SEMI JOIN billed
    ON
        first_outcome.counterpart_feed = billed.feed
        AND first_outcome.counterpart = billed.line_id
WHERE first_outcome.side = 'source' AND first_outcome.outcome = 'matched'
