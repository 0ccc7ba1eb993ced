-- grain: one amount
-- inputs: amount (exact decimal), half (half a minor unit), digits (decimals of the minor unit)
-- output: macro truncated: cut off after the minor unit, exactly
CREATE OR REPLACE TEMP MACRO truncated(amount, half, digits) AS -- noqa: CP05
CASE
    WHEN abs(half_up(amount, digits)) <= abs(amount) THEN half_up(amount, digits)
    WHEN amount > 0 THEN half_up(amount, digits) - 2 * half
    ELSE half_up(amount, digits) + 2 * half
END
