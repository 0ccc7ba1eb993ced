-- grain: one line of a pair that differs in currency, as a pass before sees it
-- inputs: line (as a pass that compares functional amounts sees it), diagnosis; $pass
-- output: rows of diagnosis whose pair has equal keys in that pass too: it is not the currency that
--   is wrong, but the rate or, where both come to the same, the date
UPDATE diagnosis
SET
    break_class = rated.break_class,
    group_amount = rated.group_amount
FROM (
    SELECT
        own.lid,
        CASE
            WHEN own.amount <> other.amount THEN 'fx_difference'
            WHEN date_trunc('month', own.period) = date_trunc('month', other.period)
                THEN 'late_arrival'
            ELSE 'period_mismatch'
        END AS break_class,
        CASE WHEN own.amount <> other.amount THEN other.amount END AS group_amount
    FROM diagnosis AS pair
    INNER JOIN line AS own ON pair.lid = own.lid
    INNER JOIN line AS other ON pair.other_lid = other.lid
    WHERE
        pair.break_class = 'currency_mismatch'
        AND pair.group_count = 1
        AND own.keys[$pass] = other.keys[$pass]
        AND own.entity = other.entity
        AND own.currency = other.currency
) AS rated
WHERE diagnosis.lid = rated.lid
