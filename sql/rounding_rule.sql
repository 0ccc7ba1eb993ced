-- grain: one document: lines whose exact amounts were rounded somewhere to give another amount
-- inputs: whole (exact sum), up, even and cut (sums of the lines rounded one by one), wanted (the
--   other amount), lines, half and digits (of the minor unit)
-- output: macro rounding_rule: the name of the first rule that gives the wanted amount to the last
--   digit, no further off than half a minor unit a line; NULL where none does
CREATE OR REPLACE TEMP MACRO rounding_rule(
    whole, up, even, cut, wanted, lines, half, digits -- noqa: CP05
) AS
CASE
    WHEN abs(wanted - whole) > lines * half THEN NULL
    WHEN wanted = half_up(whole, digits) THEN 'rounding per document, half-up'
    WHEN wanted = half_even(whole, half, digits) THEN 'rounding per document, half-even'
    WHEN wanted = truncated(whole, half, digits) THEN 'rounding per document, truncated'
    WHEN wanted = up THEN 'rounding per line, half-up'
    WHEN wanted = even THEN 'rounding per line, half-even'
    WHEN wanted = cut THEN 'rounding per line, truncated'
END
