-- grain: one posting of the ledger, as it was first delivered
-- inputs: ledger_line (published lines of the target feeds)
-- output: table posting
CREATE OR REPLACE TEMP TABLE posting AS
SELECT
    feed,
    line_id,
    entity,
    currency,
    amount,
    period,
    account,
    account_class,
    journal_ref,
    line_ref,
    document_ref,
    batch_ref,
    category
FROM ledger_line
QUALIFY
    row_number() OVER (
        PARTITION BY feed, line_id ORDER BY received_on, extract_sha256, row_number
    ) = 1
