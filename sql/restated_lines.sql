-- grain: one line that belongs to a locked month and counts in a later one
-- inputs: outcome (of the days that such lines count on); $entity, $first_day, $last_day
-- output: the outcome's columns, by side, the day it belongs to, feed and line
SELECT outcome.*
FROM outcome
WHERE outcome.entity = $entity AND outcome.belongs_to BETWEEN $first_day AND $last_day
ORDER BY outcome.side, outcome.belongs_to, outcome.feed, outcome.line_id, outcome.received_on
