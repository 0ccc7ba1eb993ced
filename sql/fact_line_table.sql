-- grain: one line of a fact, of any reconciliation
-- inputs: none
-- output: table fact_line, empty
CREATE OR REPLACE TEMP TABLE fact_line (
    reconciliation VARCHAR,
    fact VARCHAR,
    side VARCHAR,
    feed VARCHAR,
    line_id VARCHAR,
    entity VARCHAR,
    currency VARCHAR,
    amount DECIMAL(38, 12),
    period DATE,
    ref VARCHAR,
    component VARCHAR,
    outcome VARCHAR,
    pass VARCHAR,
    match_ref VARCHAR,
    residual DECIMAL(38, 12),
    label VARCHAR,
    decision BIGINT,
    break_class VARCHAR,
    counterpart_feed VARCHAR,
    counterpart VARCHAR,
    group_count BIGINT,
    group_member BOOLEAN,
    inside BOOLEAN,
    due BOOLEAN,
    keys VARCHAR[]
)
