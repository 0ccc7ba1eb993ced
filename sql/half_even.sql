-- grain: one amount
-- inputs: amount (exact decimal), half (half a minor unit), digits (decimals of the minor unit)
-- output: macro half_even: rounded to the minor unit, halves to the even neighbour, exactly; twice
--   the rounded half of the amount, since half of what lies between two units is never a tie
CREATE OR REPLACE TEMP MACRO half_even(amount, half, digits) AS -- noqa: CP05
CASE
    WHEN abs(amount - half_up(amount, digits)) = half
        THEN 2 * half_up(amount * CAST(0.5 AS DECIMAL(1, 1)), digits)
    ELSE half_up(amount, digits)
END
