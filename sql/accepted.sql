-- grain: one open line whose break a person has accepted, as long as amount and class are the same
-- inputs: decision_line, line, diagnosis
-- output: table accepted with the latest such decision
CREATE OR REPLACE TEMP TABLE accepted AS
SELECT
    line.lid,
    max(decision_line.decision) AS decision
FROM decision_line
INNER JOIN line
    ON
        decision_line.side = line.side
        AND decision_line.feed = line.feed
        AND decision_line.line_id = line.line_id
        AND decision_line.entity = line.entity
        AND decision_line.currency = line.currency
        AND decision_line.amount = line.amount
INNER JOIN diagnosis
    ON line.lid = diagnosis.lid AND decision_line.break_class = diagnosis.break_class
WHERE decision_line.kind = 'accept_break'
GROUP BY line.lid
