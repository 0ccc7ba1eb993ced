-- grain: one figure of windows that changed after they were locked, where there is none
-- inputs: none
-- output: table late_figure, empty
CREATE OR REPLACE TEMP TABLE late_figure (
    figure VARCHAR,
    side VARCHAR,
    entity VARCHAR,
    currency VARCHAR,
    counted_on DATE,
    lines BIGINT,
    amount DECIMAL(38, 12)
)
