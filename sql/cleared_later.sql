-- grain: one line of a match that nobody signed
-- inputs: taken, line, locked_through (entity, last_day)
-- output: taken, where no match is cleared before the days that its lines count in, nor in a month
--   that was locked without it
UPDATE taken
SET
    cleared_on = greatest(taken.cleared_on, floor_day.day)
FROM (
    SELECT
        taken.pass,
        taken.match_lid,
        max(
            CASE
                WHEN line.counted_on <= locked_through.last_day THEN locked_through.last_day + 1
                ELSE line.counted_on
            END
        ) AS day
    FROM taken
    INNER JOIN line ON taken.lid = line.lid
    LEFT JOIN locked_through ON line.entity = locked_through.entity
    WHERE taken.pass <> 0
    GROUP BY taken.pass, taken.match_lid
) AS floor_day
WHERE taken.pass = floor_day.pass AND taken.match_lid = floor_day.match_lid
