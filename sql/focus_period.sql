-- grain: one line that a waterfall is about, for every period it is in
-- inputs: waterfall_line, period_asked
-- output: table focus
CREATE OR REPLACE TEMP TABLE focus AS
SELECT
    period_asked.first_day,
    period_asked.last_day,
    waterfall_line.rid
FROM period_asked
INNER JOIN waterfall_line
    ON waterfall_line.period BETWEEN period_asked.first_day AND period_asked.last_day
