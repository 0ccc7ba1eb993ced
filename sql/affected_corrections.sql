-- grain: one line that corrects a locked month
-- inputs: known_line, dirty_line, lock_step, affected, corrected_outcome (published outcomes of the
--   days that corrections count in)
-- output: rows of affected: what corrects is worked anew; what corrected before may be gone, also
--   where it left for another entity or an open month under the name it has there
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
UNION
SELECT
    dirty_line.side,
    dirty_line.feed,
    dirty_line.line_id || strftime(lock_step.opens_on, '~%Y-%m') AS line_id
FROM dirty_line
CROSS JOIN lock_step
WHERE lock_step.step > 1
EXCEPT
SELECT
    side,
    feed,
    line_id
FROM affected
