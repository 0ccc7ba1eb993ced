-- grain: one line that a change may touch: itself changed, or joined to a changed one by keys
-- inputs: dirty_line (lines of changed windows, as they are and as they were), newly_decided,
--   newly_locked (outcomes of days that have something open, where a lock is new)
-- output: tables affected and reached (the keys whose lines must be looked at)
CREATE OR REPLACE TEMP TABLE affected AS
SELECT
    side,
    feed,
    line_id
FROM dirty_line
UNION
SELECT
    side,
    feed,
    line_id
FROM newly_decided
UNION
SELECT
    side,
    feed,
    line_id
FROM newly_locked
WHERE outcome = 'open'
