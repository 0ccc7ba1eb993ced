-- grain: one invoice line that usage is matched with, in the delivery that counts
-- inputs: invoice_line (invoice lines as published), first_outcome (of the days to work)
-- output: table billed_line
CREATE OR REPLACE TEMP TABLE billed_line AS
SELECT
    invoice_line.feed,
    invoice_line.line_id,
    invoice_line.entity,
    invoice_line.currency,
    invoice_line.subscription_ref,
    invoice_line.meter,
    invoice_line.service_start,
    invoice_line.period
FROM invoice_line
SEMI JOIN first_outcome
    ON
        invoice_line.feed = first_outcome.counterpart_feed
        AND invoice_line.line_id = first_outcome.counterpart
        AND first_outcome.side = 'source'
        AND first_outcome.outcome = 'matched'
QUALIFY
    row_number() OVER (
        PARTITION BY invoice_line.feed, invoice_line.line_id
        ORDER BY invoice_line.received_on, invoice_line.extract_sha256, invoice_line.row_number
    ) = 1
