-- grain: one line that an extract brought, changed or left out between two moments
-- inputs: line_before, line_after (feed, line_id, extract_sha256 of the windows that changed)
-- output: table moved_line: feed, line_id, came_with (the later extract that has it), went_from
--   (the earlier one that had it); one of the two is NULL where it is new or gone
CREATE OR REPLACE TEMP TABLE moved_line AS
WITH held AS (
    SELECT
        feed,
        line_id,
        extract_sha256,
        FALSE AS later
    FROM line_before
    UNION ALL
    SELECT
        feed,
        line_id,
        extract_sha256,
        TRUE AS later
    FROM line_after
),

moved AS (
    SELECT
        feed,
        line_id,
        extract_sha256,
        bool_or(later) AS came
    FROM held
    GROUP BY feed, line_id, extract_sha256
    HAVING bool_or(later) = bool_and(later)
)

SELECT
    feed,
    line_id,
    min(CASE WHEN came THEN extract_sha256 END) AS came_with,
    min(CASE WHEN NOT came THEN extract_sha256 END) AS went_from
FROM moved
GROUP BY feed, line_id
