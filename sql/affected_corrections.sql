-- grain: one line that corrects a locked month
-- inputs: known_line, corrected_outcome (published outcomes of the days that corrections count in),
--   affected
-- output: rows of affected: what corrects is worked anew, and what corrected before may be gone
INSERT INTO affected
SELECT
    side,
    feed,
    line_id
FROM known_line
WHERE counted_on <> period
UNION
SELECT
    side,
    feed,
    line_id
FROM corrected_outcome
WHERE belongs_to IS NOT NULL
EXCEPT
SELECT
    side,
    feed,
    line_id
FROM affected
