-- grain: one step from the source amount to the target amount, by period, entity and currency
-- inputs: waterfall_line (of all days that matches of the focus reach), focus, pass_label
--   (label of a residual, whether the pass compares functional amounts), functional (currency of an
--   entity)
-- output: rows first_day, last_day, entity, currency, step (source, open_source, residual,
--   elsewhere, converted, open_target, target), label (component, timing or break class, name of a
--   residual), lines, amount; in every match the sources, its residual and the targets add up, so
--   source and steps lead to target; a match of several currencies or entities leaves something in
--   each, which is converted or another entity's; a converted residual is in the entity's own, and
--   a match is converted too whose lines are all in one that is not
WITH inside AS (
    SELECT
        focus.first_day,
        focus.last_day,
        waterfall_line.*
    FROM focus
    INNER JOIN waterfall_line ON focus.rid = waterfall_line.rid
),

touched AS (
    SELECT DISTINCT
        first_day,
        last_day,
        pass,
        match_ref
    FROM inside
    WHERE outcome = 'matched'
),

member AS (
    SELECT
        waterfall_line.*,
        coalesce(pass_label.functional, FALSE) AND waterfall_line.currency <> functional.currency
            AS was_converted
    FROM waterfall_line
    LEFT JOIN pass_label ON waterfall_line.pass = pass_label.pass
    LEFT JOIN functional ON waterfall_line.entity = functional.entity
    WHERE waterfall_line.outcome = 'matched'
),

mixed AS (
    SELECT
        pass,
        match_ref,
        min(currency) <> max(currency) OR bool_or(was_converted) AS is_converted
    FROM member
    GROUP BY pass, match_ref
    HAVING is_converted OR min(entity) <> max(entity)
),

joined AS (
    SELECT
        touched.first_day,
        touched.last_day,
        waterfall_line.side,
        waterfall_line.entity,
        waterfall_line.currency,
        waterfall_line.amount,
        waterfall_line.residual,
        waterfall_line.rounding,
        mixed.pass IS NOT NULL AS is_mixed,
        focus.rid IS NOT NULL AS is_inside,
        CASE
            WHEN mixed.is_converted THEN coalesce(functional.currency, waterfall_line.currency)
            ELSE waterfall_line.currency
        END AS residual_currency,
        CASE WHEN mixed.is_converted THEN 'converted' ELSE 'other entity' END AS mixed_label,
        coalesce(waterfall_line.label, pass_label.label, waterfall_line.pass) AS residual_label
    FROM touched
    INNER JOIN waterfall_line
        ON touched.pass = waterfall_line.pass AND touched.match_ref = waterfall_line.match_ref
    LEFT JOIN focus
        ON
            waterfall_line.rid = focus.rid
            AND touched.first_day = focus.first_day
            AND touched.last_day = focus.last_day
    LEFT JOIN mixed ON touched.pass = mixed.pass AND touched.match_ref = mixed.match_ref
    LEFT JOIN pass_label ON touched.pass = pass_label.pass
    LEFT JOIN functional ON waterfall_line.entity = functional.entity
    WHERE waterfall_line.outcome = 'matched'
),

step AS (
    SELECT
        first_day,
        last_day,
        entity,
        currency,
        side AS step,
        component AS label,
        amount
    FROM inside
    UNION ALL
    SELECT
        first_day,
        last_day,
        entity,
        currency,
        'open_' || side AS step,
        open_as AS label,
        CASE WHEN side = 'source' THEN -amount ELSE amount END AS amount
    FROM inside
    WHERE outcome = 'open'
    UNION ALL
    SELECT
        first_day,
        last_day,
        entity,
        residual_currency AS currency,
        'residual' AS step,
        residual_label AS label,
        residual - rounding AS amount
    FROM joined
    WHERE residual <> rounding
    UNION ALL
    SELECT
        first_day,
        last_day,
        entity,
        residual_currency AS currency,
        'residual' AS step,
        'rounding by the sender' AS label,
        rounding AS amount
    FROM joined
    WHERE rounding <> 0
    UNION ALL
    SELECT
        first_day,
        last_day,
        entity,
        currency,
        'elsewhere' AS step,
        side AS label,
        CASE WHEN side = 'source' THEN amount ELSE -amount END AS amount
    FROM joined
    WHERE NOT is_inside
    UNION ALL
    SELECT
        first_day,
        last_day,
        entity,
        currency,
        'converted' AS step,
        mixed_label AS label,
        CASE WHEN side = 'source' THEN -amount ELSE amount END AS amount
    FROM joined
    WHERE is_mixed
    UNION ALL
    SELECT
        first_day,
        last_day,
        entity,
        residual_currency AS currency,
        'converted' AS step,
        mixed_label AS label,
        -residual AS amount
    FROM joined
    WHERE is_mixed AND residual <> 0
)

SELECT
    first_day,
    last_day,
    entity,
    currency,
    step,
    coalesce(label, 'other') AS label,
    count(*) AS lines,
    CAST(sum(amount) AS DECIMAL(38, 12)) AS amount
FROM step
GROUP BY first_day, last_day, entity, currency, step, coalesce(label, 'other')
HAVING step <> 'converted' OR sum(amount) <> 0
ORDER BY first_day, last_day, entity, currency, step, coalesce(label, 'other')
