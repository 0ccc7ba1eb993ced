"""What a reader of Tieout sees: statements, breaks and figures, as plain immutable values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal

from tieout.money import added, exact, plain_amount, subtracted
from tieout.periods import Period, parse_period

SideName = Literal["source", "target"]

STATEMENT_ROWS = (
    "received",
    "not_in_file",
    "quarantined",
    "duplicates",
    "accepted",
    "matched",
    "matched_in_transit",
    "timing",
    "breaks",
    "unexplained",
)
ANSWERS = ("billed_and_booked", "billed_late", "credited", "billed_not_booked", "not_billed")
"""What a chain says of a source line; the first three are of lines that are matched to its end."""
OPEN_ITEM_ROWS = ("opening", "new", "cleared", "closing")
AGES = ("0-1", "2-7", "8-30", "31-90", ">90")
"""Age bands of open items, in days."""

BREAK_CLASSES = (
    "missing_in_target",
    "missing_in_source",
    "duplicate_in_source",
    "duplicate_in_target",
    "amount_mismatch",
    "fee_variance",
    "tax_variance",
    "rating_variance",
    "fx_difference",
    "rounding",
    "account_mismatch",
    "unmapped_account",
    "entity_mismatch",
    "currency_mismatch",
    "period_mismatch",
    "ambiguous",
    "late_arrival",
    "late_usage",
    "closed_period_correction",
    "control_total_mismatch",
    "count_mismatch",
    "sequence_gap",
    "missing_extract",
    "batch_out_of_balance",
    "line_out_of_balance",
)
DELIVERY_CLASSES = frozenset(BREAK_CLASSES[-6:])
"""Breaks of an extract or a batch; they stand beside the lines, not among them."""

ALL_ENTITIES = "*"
"""Entity of a figure that a sender states for all entities of a file together."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A count of lines and their amount in one currency."""

    count: int = 0
    amount: Decimal = Decimal(0)

    def __add__(self, other: Figure) -> Figure:
        return Figure(self.count + other.count, added(self.amount, other.amount))

    def __sub__(self, other: Figure) -> Figure:
        return Figure(self.count - other.count, subtracted(self.amount, other.amount))

    def as_json(self, currency: str) -> dict[str, object]:
        """`{count, amount}`, the amount as text."""
        return {"count": self.count, "amount": plain_amount(self.amount, currency)}


def read_figures(told: Mapping[str, Mapping[str, Any]]) -> dict[str, Figure]:
    """Figures by name, as `Figure.as_json` wrote them."""
    return {name: Figure(one["count"], exact(one["amount"])) for name, one in told.items()}


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far a sender's events have been seen in a period: how many happened in it, the last one's
    moment at the sender, how many wait in the dead letters, and the sender's numbers that never
    came (account, first, last).
    """

    feed: str
    events: int
    last_event: datetime | None
    dead_letters: int
    gaps: tuple[tuple[str, int, int], ...]

    def as_json(self) -> dict[str, object]:
        """The watermark as one JSON object; the moment is ISO in UTC."""
        return {
            "feed": self.feed,
            "events": self.events,
            "last_event": self.last_event and self.last_event.astimezone(UTC).isoformat(),
            "dead_letters": self.dead_letters,
            "gaps": [
                {"account": account, "first": first, "last": last, "missing": last - first + 1}
                for account, first, last in self.gaps
            ],
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Watermark:
        """What `as_json` wrote."""
        last = told["last_event"]
        return cls(
            told["feed"],
            told["events"],
            None if last is None else datetime.fromisoformat(last),
            told["dead_letters"],
            tuple((gap["account"], gap["first"], gap["last"]) for gap in told["gaps"]),
        )


@dataclass(frozen=True, slots=True)
class Statement:
    """The completeness statement of one reconciliation, period, entity, currency and side.

    `rows` has every name of STATEMENT_ROWS, `open_items` every one of OPEN_ITEM_ROWS, `ageing`
    every one of AGES; `completeness` is the matched share of what was received, in percent, by
    count and by absolute amount (100.00 where nothing was due); `delivery` counts delivery breaks
    by class. `answers` has every name of ANSWERS for the statement of a chain and adds up to the
    accepted lines; it is None for any other. `watermarks` has one entry for each inbox of events
    among the feeds of the reconciliation.
    """

    reconciliation: str
    period: Period
    entity: str
    currency: str
    side: SideName
    rows: dict[str, Figure]
    breaks_by_class: dict[str, Figure]
    open_items: dict[str, Figure]
    ageing: dict[str, Figure]
    completeness: dict[str, Decimal]
    delivery: dict[str, Figure] = field(default_factory=dict)
    answers: dict[str, Figure] | None = None
    watermarks: tuple[Watermark, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether the statement explains every line to zero."""
        return self.rows["unexplained"] == Figure()

    def as_json(self) -> dict[str, object]:
        """The statement as one JSON object; amounts are text."""

        def figures(part: dict[str, Figure]) -> dict[str, object]:
            return {name: figure.as_json(self.currency) for name, figure in part.items()}

        told: dict[str, object] = {}
        if self.answers is not None:
            told["answers"] = figures(self.answers)
        if self.watermarks:
            told["watermarks"] = [one.as_json() for one in self.watermarks]
        return {
            "reconciliation": self.reconciliation,
            "period": str(self.period),
            "entity": self.entity,
            "currency": self.currency,
            "side": self.side,
            "rows": figures(self.rows),
            "breaks_by_class": figures(self.breaks_by_class),
            "open_items": figures(self.open_items),
            "ageing": figures(self.ageing),
            "completeness": {k: f"{v:.2f}" for k, v in self.completeness.items()},
            "delivery": figures(self.delivery),
            **told,
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Statement:
        """What `as_json` wrote, of a day or a month."""
        answers = told.get("answers")
        return cls(
            reconciliation=told["reconciliation"],
            period=parse_period(told["period"]),
            entity=told["entity"],
            currency=told["currency"],
            side=told["side"],
            rows=read_figures(told["rows"]),
            breaks_by_class=read_figures(told["breaks_by_class"]),
            open_items=read_figures(told["open_items"]),
            ageing=read_figures(told["ageing"]),
            completeness={name: exact(share) for name, share in told["completeness"].items()},
            delivery=read_figures(told["delivery"]),
            answers=None if answers is None else read_figures(answers),
            watermarks=tuple(Watermark.from_json(one) for one in told.get("watermarks", ())),
        )


@dataclass(frozen=True, slots=True)
class Break:
    """One classified difference. Delivery breaks have `line_id` feed@day or feed@day/ref.

    `counterpart` is the line_id of the nearest line of the other side, or None; `age_days` counts
    from `period` to the last day known. An accepted break has the number of the decision that
    accepted it, by whom and why; it is a break all the same.
    """

    reconciliation: str
    break_class: str
    side: SideName
    feed: str
    line_id: str
    ref: str | None
    entity: str
    currency: str
    amount: Decimal
    occurred_on: date
    period: date
    age_days: int
    explanation: str
    counterpart: str | None
    decision: int | None = None
    accepted_by: str | None = None
    accepted_because: str | None = None

    def as_json(self) -> dict[str, object]:
        """The break as one JSON object; the class is `class`, the amount text."""
        return {
            "reconciliation": self.reconciliation,
            "class": self.break_class,
            "side": self.side,
            "feed": self.feed,
            "line_id": self.line_id,
            "ref": self.ref,
            "entity": self.entity,
            "currency": self.currency,
            "amount": plain_amount(self.amount, self.currency),
            "occurred_on": self.occurred_on.isoformat(),
            "period": self.period.isoformat(),
            "age_days": self.age_days,
            "explanation": self.explanation,
            "counterpart": self.counterpart,
            "decision": self.decision,
            "accepted_by": self.accepted_by,
            "accepted_because": self.accepted_because,
        }
