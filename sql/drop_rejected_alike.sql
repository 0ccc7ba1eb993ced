-- grain: one pair of lines whose references are alike and that a person has rejected
-- inputs: alike, residue, decision_line
-- output: alike without them, so that either line may be suggested with the next one
DELETE FROM alike
WHERE
    (alike.source_row, alike.target_row) IN (
        WITH rejected_line AS (
            SELECT
                decision_line.decision,
                residue.side,
                residue.rowid AS line_row
            FROM decision_line
            INNER JOIN residue
                ON
                    decision_line.side = residue.side
                    AND decision_line.feed = residue.feed
                    AND decision_line.line_id = residue.line_id
                    AND decision_line.entity = residue.entity
                    AND decision_line.currency = residue.currency
                    AND decision_line.amount = residue.amount
            WHERE decision_line.kind = 'reject_suggestion' AND decision_line.lines = 2
        )

        SELECT
            source_line.line_row AS source_row,
            target_line.line_row AS target_row
        FROM rejected_line AS source_line
        INNER JOIN rejected_line AS target_line ON source_line.decision = target_line.decision
        WHERE source_line.side = 'source' AND target_line.side = 'target'
    )
