-- grain: one posting of a reversal pair (k-th reversal with the k-th posting it cancels)
-- inputs: line, taken
-- output: rows of taken with pass -1; both cancellation styles have the negated amount
INSERT INTO taken BY NAME
WITH free AS (
    SELECT line.*
    FROM line
    ANTI JOIN taken ON line.lid = taken.lid
    WHERE line.in_scope
),

reversing AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY feed, reversal_of, account, entity, currency, amount
            ORDER BY period, line_id
        ) AS kth
    FROM free
    WHERE reversal_of IS NOT NULL
),

reversed AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY feed, journal_ref, account, entity, currency, amount
            ORDER BY period, line_id
        ) AS kth
    FROM free
    WHERE reversal_of IS NULL AND journal_ref IN (SELECT reversing.reversal_of FROM reversing)
),

pair AS (
    SELECT
        reversed.lid AS first_lid,
        reversing.lid AS second_lid,
        greatest(reversed.period, reversing.period) AS cleared_on
    FROM reversing
    INNER JOIN reversed
        ON
            reversing.feed = reversed.feed
            AND reversing.reversal_of = reversed.journal_ref
            AND reversing.account = reversed.account
            AND reversing.entity = reversed.entity
            AND reversing.currency = reversed.currency
            AND reversing.amount = -reversed.amount
            AND reversing.kth = reversed.kth
)

SELECT
    first_lid AS lid,
    -1 AS pass,
    first_lid AS match_lid,
    second_lid AS other_lid,
    cleared_on,
    0 AS residual
FROM pair
UNION ALL
SELECT
    second_lid AS lid,
    -1 AS pass,
    first_lid AS match_lid,
    first_lid AS other_lid,
    cleared_on,
    0 AS residual
FROM pair
