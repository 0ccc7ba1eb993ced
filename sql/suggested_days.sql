-- grain: one day with a line that this run leaves alone but for what is suggested of it
-- inputs: suggestion
-- output: rows of one day each, in order
SELECT DISTINCT period
FROM suggestion
WHERE
    NOT fresh
    AND told <> concat_ws(
        chr(31), pass, counterpart_feed, counterpart, other_period, other_account, reason
    )
ORDER BY period
