-- grain: one difference of two amounts
-- inputs: gap (the difference), base (the amount that fraction is of, not below zero), absolute,
--   fraction, is_both (whether the difference must be within both, or within either)
-- output: macro tolerated: whether it is, to the last digit: a difference has 12 decimals at most,
--   so the share of the base (20 decimals) is cut off there, not rounded
CREATE OR REPLACE TEMP MACRO tolerated(gap, base, absolute, fraction, is_both) AS -- noqa: CP05
CASE
    WHEN is_both
        THEN least(
            CAST(absolute AS DECIMAL(26, 12)),
            CAST(
                CAST(base AS DECIMAL(38, 12)) * CAST(fraction AS DECIMAL(10, 8))
                - CAST(0.0000000000005 AS DECIMAL(13, 13)) AS DECIMAL(38, 12)
            )
        )
    ELSE greatest(
        CAST(absolute AS DECIMAL(26, 12)),
        CAST(
            CAST(base AS DECIMAL(38, 12)) * CAST(fraction AS DECIMAL(10, 8))
            - CAST(0.0000000000005 AS DECIMAL(13, 13)) AS DECIMAL(38, 12)
        )
    )
END >= CAST(abs(gap) AS DECIMAL(38, 12)) OR gap = 0
