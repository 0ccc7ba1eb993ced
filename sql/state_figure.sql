-- grain: one row that did not become a line, of a window that moved
-- inputs: none
-- output: table state_figure, empty
CREATE OR REPLACE TEMP TABLE state_figure (
    state INTEGER,
    figure VARCHAR,
    side VARCHAR,
    feed VARCHAR,
    line_id VARCHAR,
    extract_sha256 VARCHAR,
    row_number BIGINT,
    received_on DATE,
    entity VARCHAR,
    currency VARCHAR,
    period DATE,
    lines BIGINT,
    amount DECIMAL(38, 12)
)
