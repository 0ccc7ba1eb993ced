-- grain: one delivery of a line that a waterfall is about: every line of a period
-- inputs: outcome; $first_day, $last_day
-- output: table focus
CREATE OR REPLACE TEMP TABLE focus AS
SELECT
    side,
    feed,
    line_id,
    extract_sha256,
    row_number,
    received_on
FROM outcome
WHERE period BETWEEN $first_day AND $last_day
