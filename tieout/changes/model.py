"""What changed, as plain immutable values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from tieout.changes.versions import Version
from tieout.known import moment_text
from tieout.model import Figure
from tieout.money import plain_amount
from tieout.periods import Period

CauseKind = Literal[
    "extract",
    "correction",
    "counterpart",
    "decision",
    "taken_back",
    "time",
    "reopened",
    "configuration",
    "other",
]


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something changed; `text` says it in words.

    extract: an extract that came; correction: a later version of one; counterpart: an extract with
    the line that it is, or was, compared with; decision, taken_back: of a person; time: the other
    side has been delivered through the day it was due; configuration; other: lines beside it.
    """

    kind: CauseKind
    text: str
    file: str | None = None
    sha256: str | None = None
    taken_at: datetime | None = None
    counterpart: str | None = None
    decision: int | None = None
    by: str | None = None

    def as_json(self) -> dict[str, object]:
        """The cause as one JSON object; what does not apply is null."""
        return {
            "kind": self.kind,
            "text": self.text,
            "file": self.file,
            "sha256": self.sha256,
            "taken_at": None if self.taken_at is None else self.taken_at.isoformat(),
            "counterpart": self.counterpart,
            "decision": self.decision,
            "by": self.by,
        }


ChangeKind = Literal["came", "went", "changed", "outcome"]


@dataclass(frozen=True, slots=True)
class LineChange:
    """One line that counts otherwise than before.

    `what` is line, repeated (in one extract), refused (in quarantine) or not_in_file (what a sender
    states and does not send). `was` and `now` say what became of it, None where it was not there;
    amounts are in the sign of the side.
    """

    change: ChangeKind
    what: str
    side: str
    feed: str
    line_id: str
    entity: str
    currency: str
    was_amount: Decimal | None
    amount: Decimal | None
    was: str | None
    now: str | None
    counterpart: str | None
    cause: Cause

    def as_json(self) -> dict[str, object]:
        """The change as one JSON object; amounts are text."""
        amounts = {"was_amount": self.was_amount, "amount": self.amount}
        return {
            "change": self.change,
            "what": self.what,
            "side": self.side,
            "feed": self.feed,
            "line_id": self.line_id,
            "entity": self.entity,
            "currency": self.currency,
            **{
                n: None if a is None else plain_amount(a, self.currency) for n, a in amounts.items()
            },
            "was": self.was,
            "now": self.now,
            "counterpart": self.counterpart,
            "cause": self.cause.as_json(),
        }


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row of a statement that says something else; `by_lines` is the sum of the changed lines.

    `row` is a row of the statement or of its open items, `breaks: <class>` or `answer: <answer>`.
    """

    entity: str
    currency: str
    side: str
    row: str
    was: Figure
    now: Figure
    by_lines: Figure

    @property
    def change(self) -> Figure:
        """What the row says now less what it said."""
        return self.now - self.was

    @property
    def rest(self) -> Figure:
        """What no changed line explains: nothing, or the comparison does not hold."""
        return self.change - self.by_lines

    def as_json(self) -> dict[str, object]:
        """The row as one JSON object; amounts are text."""
        figures = {"was": self.was, "now": self.now, "change": self.change}
        return {
            "entity": self.entity,
            "currency": self.currency,
            "side": self.side,
            "row": self.row,
            **{name: figure.as_json(self.currency) for name, figure in figures.items()},
            "unexplained": self.rest.as_json(self.currency),
        }


@dataclass(frozen=True, slots=True)
class DeliveryChange:
    """A comparison of an extract or a batch that fails since, or fails no more."""

    came: bool
    side: str
    feed: str
    received_on: str
    ref: str | None
    break_class: str
    explanation: str
    cause: Cause

    def as_json(self) -> dict[str, object]:
        """The change as one JSON object."""
        return {
            "change": "came" if self.came else "went",
            "side": self.side,
            "feed": self.feed,
            "received_on": self.received_on,
            "ref": self.ref,
            "class": self.break_class,
            "explanation": self.explanation,
            "cause": self.cause.as_json(),
        }


@dataclass(frozen=True, slots=True)
class Happened:
    """What happened to lines, to be counted: `invoice line`, `came` (or what became of it), why."""

    noun: str
    what: str
    cause: Cause


@dataclass(frozen=True, slots=True)
class Changes:
    """What came, went and changed in a period between two versions or moments of its statements.

    `lines` are the largest changes; `counted` counts all of them by what happened and why. `locked`
    are entities for which the period is locked: what came since is in no row of it.
    """

    reconciliation: str
    period: Period
    before: Version
    after: Version
    lines: tuple[LineChange, ...]
    deliveries: tuple[DeliveryChange, ...]
    counted: Mapping[Happened, int]
    locked: tuple[str, ...]

    @property
    def left_out(self) -> int:
        """Changed lines beyond those in `lines`."""
        return sum(self.counted.values()) - len(self.lines)


@dataclass(frozen=True, slots=True)
class Diff(Changes):
    """The changes, and the rows of the statements that they have to explain."""

    rows: tuple[RowChange, ...]

    @property
    def holds(self) -> bool:
        """Whether the changed lines explain every row to the cent."""
        return all(row.rest == Figure() for row in self.rows)

    def as_json(self) -> dict[str, object]:
        """All of it as one JSON object; amounts are text."""
        return {
            "reconciliation": self.reconciliation,
            "period": str(self.period),
            "from": self.before.as_json(),
            "to": self.after.as_json(),
            "holds": self.holds,
            "locked": list(self.locked),
            "rows": [one.as_json() for one in self.rows],
            "summary": [
                {
                    "count": count,
                    "noun": one.noun,
                    "happened": one.what,
                    "cause": one.cause.as_json(),
                }
                for one, count in self.counted.items()
            ],
            "lines": [one.as_json() for one in self.lines],
            "lines_left_out": self.left_out,
            "deliveries": [one.as_json() for one in self.deliveries],
        }


def taken_text(moment: datetime) -> str:
    """`taken 2026-11-05 08:12 UTC`."""
    return f"taken {moment_text(moment.replace(second=0, microsecond=0))}"
