-- grain: one pair of lines of equal amount whose keys of a pass differ in one reference, not much
-- inputs: residue; $pass, $part (place of the reference in the key), $first_day, $last_day,
--   $least_percent, $most (lines of a day, side, key and amount; none is looked at where more are)
-- output: rows of alike; references are compared without case, signs and zeros in front of numbers
INSERT INTO alike BY NAME
WITH keyed AS (
    SELECT
        rowid AS line_row,
        side,
        entity,
        currency,
        amount,
        period,
        string_split(keys[$pass], chr(31)) AS parts
    FROM residue
    WHERE keys[$pass] IS NOT NULL
),

named AS (
    SELECT
        *,
        parts[$part] AS ref,
        list_slice(parts, 1, $part - 1) || list_slice(parts, $part + 1, len(parts)) AS others,
        regexp_replace(
            regexp_replace(lower(parts[$part]), '(^|[^0-9])0+([0-9])', '\1\2', 'g'),
            '[^a-z0-9]', '', 'g'
        ) AS plain
    FROM keyed
),

counted AS (
    SELECT
        *,
        length(plain) AS size,
        length(plain) * $least_percent AS least_equal,
        count(*) OVER (
            PARTITION BY side, others, entity, currency, amount, period
        ) AS equal_lines
    FROM named
),

few AS (
    SELECT *
    FROM counted
    WHERE equal_lines <= $most
),

pair AS (
    SELECT
        source_line.line_row AS source_row,
        target_line.line_row AS target_row,
        source_line.ref AS source_ref,
        target_line.ref AS target_ref,
        greatest(source_line.size, target_line.size) AS size,
        damerau_levenshtein(source_line.plain, target_line.plain) AS edits
    FROM few AS source_line
    INNER JOIN few AS target_line
        ON
            source_line.others = target_line.others
            AND source_line.entity = target_line.entity
            AND source_line.currency = target_line.currency
            AND source_line.amount = target_line.amount
    WHERE
        source_line.side = 'source'
        AND target_line.side = 'target'
        AND source_line.ref <> target_line.ref
        AND target_line.period - source_line.period BETWEEN $first_day AND $last_day
        AND least(source_line.size, target_line.size) > 0
        AND least(source_line.size, target_line.size) * 100
        >= greatest(source_line.least_equal, target_line.least_equal)
)

SELECT
    source_row,
    target_row,
    $pass AS pass,
    source_ref,
    target_ref,
    CAST((size - edits) * 10000 // size AS DECIMAL(5, 0)) * CAST(0.0001 AS DECIMAL(4, 4)) AS score
FROM pair
WHERE (size - edits) * 100 >= size * $least_percent
