-- grain: one line of a match of a pass that a person has rejected
-- inputs: taken, rejected; $pass (one whose matches are suggested)
-- output: taken without them; a match goes if its lines are a rejected set, no more and no fewer
DELETE FROM taken
WHERE
    taken.pass = $pass
    AND taken.match_lid IN (
        WITH suggested AS (
            SELECT
                match_lid,
                lid,
                count(*) OVER (PARTITION BY match_lid) AS lines
            FROM taken
            WHERE pass = $pass
        )

        SELECT suggested.match_lid
        FROM suggested
        INNER JOIN rejected ON suggested.lid = rejected.lid AND suggested.lines = rejected.lines
        GROUP BY suggested.match_lid, rejected.decision
        HAVING count(*) = any_value(suggested.lines)
    )
