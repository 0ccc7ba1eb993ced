-- grain: one delivery of a line that a waterfall is about: it carries the reference, or answers a
--   source line that does
-- inputs: outcome, carrier (feed, line_id of the lines that carry the reference)
-- output: table focus
CREATE OR REPLACE TEMP TABLE focus AS
WITH carrying AS (
    SELECT outcome.*
    FROM outcome
    INNER JOIN carrier ON outcome.feed = carrier.feed AND outcome.line_id = carrier.line_id
)

SELECT
    side,
    feed,
    line_id,
    extract_sha256,
    row_number,
    received_on
FROM carrying
UNION
SELECT
    outcome.side,
    outcome.feed,
    outcome.line_id,
    outcome.extract_sha256,
    outcome.row_number,
    outcome.received_on
FROM outcome
SEMI JOIN carrying
    ON
        carrying.side = 'source'
        AND carrying.outcome = 'matched'
        AND outcome.pass = carrying.pass
        AND outcome.match_ref = carrying.match_ref
WHERE outcome.side = 'target' AND outcome.outcome = 'matched'
