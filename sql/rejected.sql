-- grain: one line of a set that a person will not have suggested
-- inputs: decision_line, line
-- output: table rejected; lines is the number of lines of the whole set
CREATE OR REPLACE TEMP TABLE rejected AS
SELECT
    decision_line.decision,
    decision_line.lines,
    line.lid
FROM decision_line
INNER JOIN line
    ON
        decision_line.side = line.side
        AND decision_line.feed = line.feed
        AND decision_line.line_id = line.line_id
        AND decision_line.entity = line.entity
        AND decision_line.currency = line.currency
        AND decision_line.amount = line.amount
WHERE decision_line.kind = 'reject_suggestion'
