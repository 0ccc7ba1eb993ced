-- grain: one line that counts otherwise at the later moment than at the earlier one
-- inputs: counted_before, counted_after (counted_line at the two moments), moved_line
-- output: what it was (was_) and is (is_), NULL where it was not there or is no more; and the
--   extracts that brought or took its counterparts; the largest amounts first
WITH changed AS (
    SELECT
        coalesce(now.kind, was.kind) AS kind,
        coalesce(now.side, was.side) AS side,
        coalesce(now.feed, was.feed) AS feed,
        coalesce(now.line_id, was.line_id) AS line_id,
        coalesce(now.nth, was.nth) AS nth,
        was.kind IS NOT NULL AS was_there,
        was.extract_sha256 AS was_extract_sha256,
        was.entity AS was_entity,
        was.currency AS was_currency,
        was.amount AS was_amount,
        was.lines AS was_lines,
        was.filed AS was_filed,
        was.figure AS was_figure,
        was.open_item AS was_open_item,
        was.break_class AS was_break_class,
        was.pass AS was_pass,
        was.counterpart_feed AS was_counterpart_feed,
        was.counterpart AS was_counterpart,
        was.decision AS was_decision,
        was.answer AS was_answer,
        now.kind IS NOT NULL AS is_there,
        now.extract_sha256 AS is_extract_sha256,
        now.entity AS is_entity,
        now.currency AS is_currency,
        now.amount AS is_amount,
        now.lines AS is_lines,
        now.filed AS is_filed,
        now.figure AS is_figure,
        now.open_item AS is_open_item,
        now.break_class AS is_break_class,
        now.pass AS is_pass,
        now.counterpart_feed AS is_counterpart_feed,
        now.counterpart AS is_counterpart,
        now.decision AS is_decision,
        now.due_on AS is_due_on,
        now.answer AS is_answer
    FROM counted_before AS was
    FULL OUTER JOIN counted_after AS now
        ON
            was.kind = now.kind
            AND was.side = now.side
            AND was.feed = now.feed
            AND was.line_id = now.line_id
            AND was.nth = now.nth
)

SELECT
    changed.*,
    own.came_with AS own_came_with,
    own.went_from AS own_went_from,
    other.came_with AS is_counterpart_came_with,
    earlier.came_with AS was_counterpart_came_with,
    earlier.went_from AS was_counterpart_went_from
FROM changed
LEFT JOIN moved_line AS own
    ON changed.feed = own.feed AND changed.line_id = own.line_id
LEFT JOIN moved_line AS other
    ON changed.is_counterpart_feed = other.feed AND changed.is_counterpart = other.line_id
LEFT JOIN moved_line AS earlier
    ON changed.was_counterpart_feed = earlier.feed AND changed.was_counterpart = earlier.line_id
WHERE
    changed.was_there <> changed.is_there
    OR (
        changed.was_entity,
        changed.was_currency,
        changed.was_amount,
        changed.was_lines,
        changed.was_filed
    ) <> (
        changed.is_entity,
        changed.is_currency,
        changed.is_amount,
        changed.is_lines,
        changed.is_filed
    )
    OR changed.was_figure IS DISTINCT FROM changed.is_figure
    OR changed.was_open_item IS DISTINCT FROM changed.is_open_item
    OR changed.was_break_class IS DISTINCT FROM changed.is_break_class
    OR changed.was_pass IS DISTINCT FROM changed.is_pass
    OR changed.was_counterpart_feed IS DISTINCT FROM changed.is_counterpart_feed
    OR changed.was_counterpart IS DISTINCT FROM changed.is_counterpart
    OR changed.was_decision IS DISTINCT FROM changed.is_decision
    OR changed.was_answer IS DISTINCT FROM changed.is_answer
ORDER BY
    -greatest(abs(coalesce(changed.was_amount, 0)), abs(coalesce(changed.is_amount, 0))),
    changed.kind, changed.side, changed.feed, changed.line_id, changed.nth
