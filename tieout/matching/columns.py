"""Columns of the outcomes table, which every reconciliation publishes by day.

Grain: one line in the scope of a reconciliation, once for every delivery of it.
"""

from __future__ import annotations

import polars as pl

from tieout.lines.columns import DAY, TEXT, Columns
from tieout.money import FINE_AMOUNT, LINE_AMOUNT

SCORE = pl.Decimal(5, 4)
"""How alike two references are, from 0 to 1."""

RATE_DIFFERENCE = "fx rate difference"
"""Label of a residual that is in the currency of the entity's books (sql/label_rates.sql)."""

OUTCOMES: Columns = {
    "side": TEXT,
    "feed": TEXT,
    "line_id": TEXT,
    "extract_sha256": TEXT,
    "row_number": pl.Int64(),
    "received_on": DAY,
    "entity": TEXT,
    "currency": TEXT,
    "amount": LINE_AMOUNT,
    "occurred_on": DAY,
    "period": DAY,
    "ref": TEXT,
    "component": TEXT,
    "outcome": TEXT,
    "pass": TEXT,
    "match_ref": TEXT,
    "cleared_on": DAY,
    "residual": FINE_AMOUNT,
    "break_class": TEXT,
    "due_on": DAY,
    "counterpart_feed": TEXT,
    "counterpart": TEXT,
    "other_entity": TEXT,
    "other_currency": TEXT,
    "other_amount": FINE_AMOUNT,
    "other_period": DAY,
    "other_account": TEXT,
    "group_amount": FINE_AMOUNT,
    "group_count": pl.Int64(),
    "group_member": pl.Boolean(),
    "search_limit": TEXT,
    "label": TEXT,
    "rounding": FINE_AMOUNT,
    "reason": TEXT,
    "score": SCORE,
    "decision": pl.Int64(),
    "answer": TEXT,
    "fee_rule": TEXT,
    "belongs_to": DAY,
}
"""`outcome` is matched, open or duplicate (a second delivery of the same line, removed).

Matched: `pass` names the rule, `match_ref` the line that stands for the match, `cleared_on` the
last day among its lines, `residual` what netting left (on that one line). Open: `break_class` says
what it is once the other side has been delivered through `due_on`; until then it is a timing item.
The counterpart is the line matched with, or the nearest one; `group_amount` and `group_count` are
the group's where a group was compared as a whole, and `group_member` whether the line is of it.
Of an ambiguous line `group_count` is the number of explanations; `search_limit` says which bound
ended a search for one, where one did. `label` names what a residual is, and
`rounding` how much of a difference of rates is rounding only; `reason` and `score` are of
a match that is only suggested to a person: its lines are open, and `pass` and `match_ref` say with
whom; `decision` is the number of the person's decision that made a match, or that accepted a break;
`answer` is what a chain says of a line.
Where one side is what a fee schedule expects, `fee_rule` says the rule that the line or its
counterpart is expected by. `belongs_to` is the day of a locked month that a line belongs to
which counts on `period`, in the first open month: it came too late, or corrects what was signed."""


def outcomes(fine: bool) -> Columns:
    """The columns of one reconciliation; `fine` where usage takes part (amounts of 12 decimals)."""
    return OUTCOMES | {"amount": FINE_AMOUNT} if fine else OUTCOMES
