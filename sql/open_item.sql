-- grain: one line that is open at the end of a day
-- inputs: none
-- output: table open_item, empty; `edge` is opening or closing
CREATE OR REPLACE TEMP TABLE open_item (
    edge VARCHAR,
    side VARCHAR,
    feed VARCHAR,
    line_id VARCHAR,
    entity VARCHAR,
    currency VARCHAR,
    period DATE,
    amount DECIMAL(38, 12),
    class VARCHAR,
    twin BIGINT
)
