-- grain: one line of a match that a person decided and that still holds
-- inputs: decision_line, line, taken; to be run again until it takes nothing more
-- output: rows of taken with pass -2; of decisions that share a line the earliest one holds
INSERT INTO taken BY NAME
WITH standing AS (
    SELECT
        decision_line.decision,
        decision_line.lines,
        decision_line.label,
        line.lid,
        line.side,
        line.amount,
        line.period,
        line.feed || ' ' || line.line_id AS name
    FROM decision_line
    INNER JOIN line
        ON
            decision_line.side = line.side
            AND decision_line.feed = line.feed
            AND decision_line.line_id = line.line_id
            AND decision_line.entity = line.entity
            AND decision_line.currency = line.currency
            AND decision_line.amount = line.amount
    ANTI JOIN taken ON line.lid = taken.lid
    WHERE decision_line.kind IN ('match', 'accept_suggestion') AND line.in_scope
),

whole AS (
    SELECT
        decision,
        arg_min(lid, name) FILTER (WHERE side = 'source') AS source_lid,
        arg_min(lid, name) FILTER (WHERE side = 'target') AS target_lid,
        arg_min(lid, name, 2) AS first_lids,
        max(period) AS cleared_on,
        sum(CASE WHEN side = 'target' THEN amount ELSE -amount END) AS residual
    FROM standing
    GROUP BY decision
    HAVING count(*) = any_value(lines)
),

earliest AS (
    SELECT
        standing.lid,
        min(standing.decision) AS decision
    FROM standing
    SEMI JOIN whole ON standing.decision = whole.decision
    GROUP BY standing.lid
),

later AS (
    SELECT standing.decision
    FROM standing
    INNER JOIN earliest ON standing.lid = earliest.lid
    WHERE standing.decision > earliest.decision
),

holding AS (
    SELECT
        whole.*,
        coalesce(whole.source_lid, whole.target_lid) AS match_lid
    FROM whole
    ANTI JOIN later ON whole.decision = later.decision
)

SELECT
    standing.lid,
    -2 AS pass,
    holding.match_lid,
    CASE
        WHEN standing.side = 'source' AND holding.target_lid IS NOT NULL THEN holding.target_lid
        WHEN standing.side = 'target' AND holding.source_lid IS NOT NULL THEN holding.source_lid
        WHEN standing.lid = holding.match_lid THEN holding.first_lids[2]
        ELSE holding.match_lid
    END AS other_lid,
    holding.cleared_on,
    CASE WHEN standing.lid = holding.match_lid THEN holding.residual ELSE 0 END AS residual,
    CASE
        WHEN standing.lid = holding.match_lid AND holding.residual <> 0 THEN standing.label
    END AS label,
    standing.decision
FROM standing
INNER JOIN holding ON standing.decision = holding.decision
