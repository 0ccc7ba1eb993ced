-- grain: one open line that a person may match with another, or that was said to be so before
-- inputs: residue, judged, alike, pass_name
-- output: table suggestion, for both lines: pairs that are each other's nearest, with no second one
--   as near; nothing but the line itself where nothing is suggested any longer
CREATE OR REPLACE TEMP TABLE suggestion AS
WITH best AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY source_row, target_row ORDER BY -score, pass, source_ref, target_ref
        ) AS choice
    FROM alike
),

ranked AS (
    SELECT
        *,
        rank() OVER (PARTITION BY source_row ORDER BY -score) AS of_source,
        rank() OVER (PARTITION BY target_row ORDER BY -score) AS of_target,
        count(*) OVER (PARTITION BY source_row, score) AS rivals_of_source,
        count(*) OVER (PARTITION BY target_row, score) AS rivals_of_target
    FROM best
    WHERE choice = 1
),

pair AS (
    SELECT
        *,
        CAST(CAST(score AS DECIMAL(3, 2)) AS VARCHAR) AS shown
    FROM ranked
    WHERE of_source = 1 AND of_target = 1 AND rivals_of_source = 1 AND rivals_of_target = 1
),

told AS (
    SELECT
        source_row AS line_row,
        target_row AS other_row,
        source_row,
        pass,
        score,
        'reference ''' || source_ref || ''' resembles ''' || target_ref || ''' (' || shown
        || '), amount and currency equal' AS reason
    FROM pair
    UNION ALL
    SELECT
        target_row AS line_row,
        source_row AS other_row,
        source_row,
        pass,
        score,
        'reference ''' || target_ref || ''' resembles ''' || source_ref || ''' (' || shown
        || '), amount and currency equal' AS reason
    FROM pair
)

SELECT
    line.side,
    line.feed,
    line.line_id,
    line.extract_sha256,
    line.row_number,
    line.received_on,
    line.period,
    line.fresh,
    line.told,
    pass_name.name AS pass,
    source.line_id AS match_ref,
    other.feed AS counterpart_feed,
    other.line_id AS counterpart,
    other.entity AS other_entity,
    other.currency AS other_currency,
    CAST(other.amount AS DECIMAL(38, 12)) AS other_amount,
    other.period AS other_period,
    other.account AS other_account,
    told.score,
    told.reason
FROM judged
INNER JOIN residue AS line ON judged.line_row = line.rowid
LEFT JOIN told ON judged.line_row = told.line_row
LEFT JOIN residue AS other ON told.other_row = other.rowid
LEFT JOIN residue AS source ON told.source_row = source.rowid
LEFT JOIN pass_name ON told.pass = pass_name.pass
WHERE told.line_row IS NOT NULL OR NOT line.fresh
