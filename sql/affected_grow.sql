-- grain: one line newly joined to the affected ones by a key
-- inputs: known_link, reached, affected
-- output: rows of affected
INSERT INTO affected
SELECT DISTINCT
    known_link.side,
    known_link.feed,
    known_link.line_id
FROM known_link
SEMI JOIN reached ON known_link.link = reached.link
ANTI JOIN affected
    ON
        known_link.side = affected.side
        AND known_link.feed = affected.feed
        AND known_link.line_id = affected.line_id
