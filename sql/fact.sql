-- grain: one fact: breaks, or a residual, that one correction would settle
-- inputs: fact_line, posting (ledger lines of the target feeds); $reconciliation, $sign (of its
--   target side)
-- output: rows in order of the first day and name; `posting` columns are of the posting that stands
--   there; contra_account is where its journal has the same amount against it, parked_account where
--   one of its journals, or of those with the same reference, has put off what is lacking
WITH summed AS (
    SELECT
        fact,
        min(break_class) AS break_class,
        max(break_class) AS last_class,
        count(*) FILTER (WHERE inside AND due) AS lines,
        map_entries(histogram(entity) FILTER (WHERE inside AND due)) AS breaks,
        bool_or(NOT due) AS waits,
        bool_or(outcome = 'matched') AS is_residual,
        bool_or(outcome = 'open' AND match_ref IS NOT NULL) AS is_suggested,
        bool_or(outcome = 'open' AND decision IS NOT NULL) AS is_decided,
        max(pass) AS pass,
        max(label) AS label,
        sum(residual) AS residual,
        max(group_count) AS group_count,
        count(*) FILTER (WHERE side = 'source') AS source_count,
        sum(amount) FILTER (WHERE side = 'source') AS source_amount,
        min(entity) FILTER (WHERE side = 'source') AS source_entity,
        min(currency) FILTER (WHERE side = 'source') AS source_currency,
        min(component) FILTER (WHERE side = 'source') AS source_component,
        max(component) FILTER (WHERE side = 'source') AS source_last_component,
        min(period) FILTER (WHERE side = 'source') AS source_first_day,
        max(period) FILTER (WHERE side = 'source') AS source_last_day,
        min(feed) FILTER (WHERE side = 'source') AS source_feed,
        min(line_id) FILTER (WHERE side = 'source') AS source_line,
        arg_min(ref, line_id) FILTER (WHERE side = 'source') AS source_ref,
        arg_min(keys, line_id) FILTER (WHERE side = 'source') AS source_keys,
        count(*) FILTER (WHERE side = 'target') AS target_count,
        coalesce(
            min(feed) FILTER (WHERE side = 'target'),
            min(counterpart_feed) FILTER (WHERE side = 'source')
        ) AS target_feed,
        coalesce(
            min(line_id) FILTER (WHERE side = 'target'),
            min(counterpart) FILTER (WHERE side = 'source')
        ) AS target_line,
        bool_or(counterpart_feed = feed AND counterpart = line_id) AS is_delivery,
        min(period) AS first_day,
        sha256(
            string_agg(
                concat_ws(' ', side, feed, line_id, entity, currency, amount, residual), chr(10)
                ORDER BY side, feed, line_id, amount
            )
        ) AS digest
    FROM fact_line
    WHERE reconciliation = $reconciliation
    GROUP BY fact
    HAVING lines > 0
),

posted AS (
    SELECT
        summed.fact,
        posting.feed,
        posting.account,
        posting.account_class,
        posting.journal_ref,
        posting.line_ref,
        posting.document_ref,
        posting.batch_ref,
        posting.category,
        posting.entity AS posting_entity,
        posting.currency AS posting_currency,
        posting.period AS posting_day,
        CAST(posting.amount AS DECIMAL(38, 12)) AS posting_amount
    FROM summed
    INNER JOIN posting
        ON summed.target_feed = posting.feed AND summed.target_line = posting.line_id
),

lacking AS (
    SELECT
        summed.fact,
        summed.source_ref,
        posted.journal_ref,
        posted.feed,
        posted.posting_amount,
        coalesce(posted.posting_entity, summed.source_entity) AS entity,
        coalesce(posted.posting_currency, summed.source_currency) AS currency,
        CASE
            WHEN summed.is_residual THEN -summed.residual * $sign
            ELSE summed.source_amount * $sign - coalesce(posted.posting_amount, 0)
        END AS amount
    FROM summed
    LEFT JOIN posted ON summed.fact = posted.fact
),

journal AS (
    SELECT
        lacking.fact,
        lacking.feed,
        lacking.journal_ref
    FROM lacking
    WHERE lacking.journal_ref IS NOT NULL
    UNION
    SELECT
        lacking.fact,
        posting.feed,
        posting.journal_ref
    FROM lacking
    INNER JOIN posting ON lacking.source_ref = posting.document_ref
    WHERE lacking.journal_ref IS NULL
    UNION
    SELECT
        lacking.fact,
        posting.feed,
        posting.journal_ref
    FROM lacking
    INNER JOIN posting ON lacking.source_ref = posting.line_ref
    WHERE lacking.journal_ref IS NULL
),

leg AS (
    SELECT
        lacking.fact,
        any_value(posting.account) FILTER (WHERE posting.amount = -lacking.posting_amount)
            AS contra_account,
        count(DISTINCT posting.account) FILTER (WHERE posting.amount = -lacking.posting_amount)
            AS contra_accounts,
        min(posting.account) FILTER (
            WHERE
            posting.account_class IN ('suspense', 'write_off')
            AND posting.amount = lacking.amount
        ) AS parked_account
    FROM lacking
    INNER JOIN journal ON lacking.fact = journal.fact
    INNER JOIN posting
        ON
            journal.feed = posting.feed
            AND journal.journal_ref = posting.journal_ref
            AND lacking.entity = posting.entity
            AND lacking.currency = posting.currency
    GROUP BY lacking.fact
)

SELECT
    summed.*,
    posted.posting_entity,
    posted.posting_currency,
    posted.posting_day,
    posted.posting_amount,
    posted.account AS posting_account,
    posted.account_class AS posting_class,
    posted.journal_ref,
    posted.line_ref,
    posted.document_ref,
    posted.batch_ref,
    posted.category,
    CASE WHEN leg.contra_accounts = 1 THEN leg.contra_account END AS contra_account,
    leg.parked_account
FROM summed
LEFT JOIN posted ON summed.fact = posted.fact
LEFT JOIN leg ON summed.fact = leg.fact
ORDER BY summed.first_day, summed.fact
