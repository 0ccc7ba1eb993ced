-- grain: one row of windows that changed after they were locked, where there is none
-- inputs: none
-- output: table late_figure, empty
CREATE OR REPLACE TEMP TABLE late_figure (
    figure VARCHAR,
    side VARCHAR,
    feed VARCHAR,
    line_id VARCHAR,
    extract_sha256 VARCHAR,
    row_number BIGINT,
    received_on DATE,
    entity VARCHAR,
    currency VARCHAR,
    counted_on DATE,
    lines BIGINT,
    amount DECIMAL(38, 12)
)
