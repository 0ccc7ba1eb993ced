-- grain: one line that a waterfall is about: it carries the reference, answers a source line that
--   does, or is the one line that an open line that does stands against, as that one against it
-- inputs: waterfall_line, carrier (feed, line_id of those that carry it), period_asked (one)
-- output: table focus
CREATE OR REPLACE TEMP TABLE focus AS
WITH carrying AS (
    SELECT waterfall_line.*
    FROM waterfall_line
    SEMI JOIN carrier
        ON waterfall_line.feed = carrier.feed AND waterfall_line.line_id = carrier.line_id
),

inside AS (
    SELECT rid
    FROM carrying
    UNION
    SELECT waterfall_line.rid
    FROM waterfall_line
    SEMI JOIN carrying
        ON
            carrying.side = 'source'
            AND carrying.outcome = 'matched'
            AND waterfall_line.pass = carrying.pass
            AND waterfall_line.match_ref = carrying.match_ref
    WHERE waterfall_line.side = 'target' AND waterfall_line.outcome = 'matched'
    UNION
    SELECT waterfall_line.rid
    FROM waterfall_line
    SEMI JOIN carrying
        ON
            carrying.outcome = 'open'
            AND carrying.group_count = 1
            AND waterfall_line.side <> carrying.side
            AND waterfall_line.break_class = carrying.break_class
            AND waterfall_line.feed = carrying.counterpart_feed
            AND waterfall_line.line_id = carrying.counterpart
            AND waterfall_line.counterpart_feed = carrying.feed
            AND waterfall_line.counterpart = carrying.line_id
    WHERE waterfall_line.outcome = 'open' AND waterfall_line.group_count = 1
)

SELECT
    period_asked.first_day,
    period_asked.last_day,
    inside.rid
FROM inside
CROSS JOIN period_asked
