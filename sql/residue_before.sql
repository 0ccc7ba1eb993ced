-- grain: one open line that this run leaves alone and that nothing resembled before
-- inputs: missing_before, known_line (for its keys)
-- output: rows of residue
INSERT INTO residue BY NAME
SELECT
    known_line.side,
    known_line.feed,
    known_line.line_id,
    known_line.extract_sha256,
    known_line.row_number,
    known_line.received_on,
    known_line.entity,
    known_line.currency,
    known_line.amount,
    known_line.period,
    known_line.account,
    known_line.keys,
    FALSE AS fresh,
    concat_ws(
        chr(31),
        missing_before.pass,
        missing_before.counterpart_feed,
        missing_before.counterpart,
        missing_before.other_period,
        missing_before.other_account,
        missing_before.reason
    ) AS told
FROM missing_before
INNER JOIN known_line
    ON
        missing_before.side = known_line.side
        AND missing_before.feed = known_line.feed
        AND missing_before.line_id = known_line.line_id
        AND missing_before.extract_sha256 = known_line.extract_sha256
        AND missing_before.row_number = known_line.row_number
        AND missing_before.received_on = known_line.received_on
WHERE NOT missing_before.again
