-- grain: one line of a match of a pass that compared functional amounts
-- inputs: line (as that pass sees it), taken, entity_currency; $pass
-- output: taken rows of the pass whose match has a line in another currency than the entity's own:
--   its residual is in the latter and stands on its first line there is in it, else on its first
--   line; it is one of rates, and says how much of it the sender's rounding is
UPDATE taken
SET
    residual = judged.residual,
    label = judged.label,
    rounding = judged.rounding
FROM (
    WITH member AS (
        SELECT
            taken.lid,
            taken.match_lid,
            taken.residual,
            line.own_currency,
            line.currency,
            line.fx_rounding,
            line.side,
            row_number() OVER (
                PARTITION BY taken.match_lid
                ORDER BY
                    line.own_currency <> line.currency, line.side, line.feed || ' ' || line.line_id
            ) AS place
        FROM taken
        INNER JOIN line ON taken.lid = line.lid
        WHERE taken.pass = $pass
    ),

    total AS (
        SELECT
            match_lid,
            sum(residual) AS residual,
            sum(CASE WHEN side = 'source' THEN coalesce(fx_rounding, 0) ELSE 0 END) AS rounding
        FROM member
        GROUP BY match_lid
        HAVING bool_or(own_currency <> currency)
    )

    SELECT
        member.lid,
        CASE WHEN member.place = 1 THEN total.residual ELSE 0 END AS residual,
        CASE WHEN member.place = 1 AND total.residual <> 0 THEN 'fx rate difference' END AS label,
        CASE WHEN member.place = 1 AND total.residual <> 0 THEN total.rounding END AS rounding
    FROM member
    INNER JOIN total ON member.match_lid = total.match_lid
) AS judged
WHERE taken.lid = judged.lid AND taken.pass = $pass
