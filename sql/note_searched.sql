-- grain: one line that a search of a pass could not decide
-- inputs: found_several
-- output: rows of searched; the first pass that says something of a line is believed
INSERT INTO searched
SELECT
    found_several.lid,
    found_several.found,
    found_several.search_limit
FROM found_several
ANTI JOIN searched ON found_several.lid = searched.lid
