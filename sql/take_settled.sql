-- grain: one line whose match was signed
-- inputs: settled, line, taken, pass_name
-- output: rows of taken, so that nothing else takes it; each stands for itself, since what is
--   published of it is what was signed
INSERT INTO taken BY NAME
SELECT
    line.lid,
    coalesce(pass_name.pass, -3) AS pass,
    line.lid AS match_lid,
    line.lid AS other_lid,
    settled.cleared_on,
    settled.residual
FROM settled
INNER JOIN line
    ON
        settled.side = line.side
        AND settled.feed = line.feed
        AND settled.line_id = line.line_id
        AND settled.extract_sha256 = line.extract_sha256
        AND settled.row_number = line.extract_row
        AND settled.received_on = line.received_on
LEFT JOIN pass_name ON settled.pass = pass_name.name
ANTI JOIN taken ON line.lid = taken.lid
WHERE settled.outcome = 'matched'
