-- grain: one key whose lines must be looked at
-- inputs: dirty_link
-- output: table reached
CREATE OR REPLACE TEMP TABLE reached AS
SELECT DISTINCT link FROM dirty_link
