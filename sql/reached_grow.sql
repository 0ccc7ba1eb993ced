-- grain: one key newly reached through an affected line
-- inputs: known_link, affected, reached
-- output: rows of reached
INSERT INTO reached
SELECT DISTINCT known_link.link
FROM known_link
SEMI JOIN affected
    ON
        known_link.side = affected.side
        AND known_link.feed = affected.feed
        AND known_link.line_id = affected.line_id
ANTI JOIN reached ON known_link.link = reached.link
WHERE known_link.link IS NOT NULL
