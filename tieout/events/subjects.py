"""What the events of one invoice, payment, payout or usage record come to: a pure fold.

All of a subject's events are folded in the order of the sender's time, whenever one comes in, so
that order of arrival and repetition cannot matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

Key = tuple[str, str, str]
"""Entity, kind and ref of a subject."""

_STATE: Mapping[str, tuple[str, int]] = {
    "invoice.issued": ("issued", 0),
    "invoice.credited": ("credited", 1),
    "invoice.paid": ("paid", 2),
    "invoice.voided": ("voided", 3),
    "payment.failed": ("failed", 0),
    "payment.succeeded": ("succeeded", 1),
    "payment.refunded": ("refunded", 2),
    "payment.disputed": ("disputed", 3),
    "payment.dispute_closed": ("dispute_closed", 4),
    "payout.paid": ("paid", 0),
    "payout.failed": ("failed", 1),
    "usage.reported": ("reported", 0),
}
"""Type -> the state it leads to, and its rank among events of the same moment."""
ENDED = frozenset({"voided", "failed"})
"""States in which nothing is expected of the batch any more."""


@dataclass(frozen=True, slots=True)
class SubjectEvent:
    """What the fold needs of an event."""

    event_id: str
    feed: str
    type: str
    occurred_at: datetime
    amount: Decimal | None
    currency: str | None
    correlation_id: str


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject as its events leave it. `figures`: event type -> sum of its amounts and count."""

    key: Key
    state: str
    amount: Decimal | None
    currency: str | None
    correlation_id: str
    feed: str
    events: int
    first_at: datetime
    last_at: datetime
    figures: Mapping[str, Mapping[str, Any]]


@dataclass
class _Figure:
    """Events of one type: how many, and what they sum to."""

    count: int = 0
    amount: Decimal = Decimal(0)
    other: dict[str, Decimal] = field(default_factory=dict)

    def add(self, one: SubjectEvent, currency: str | None) -> None:
        self.count += 1
        if one.amount is None or one.currency is None or one.currency == currency:
            self.amount += one.amount or 0
        else:
            self.other[one.currency] = self.other.get(one.currency, Decimal(0)) + one.amount

    def as_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"count": self.count, "amount": f"{self.amount:f}"}
        if self.other:
            told["other"] = {c: f"{amount:f}" for c, amount in sorted(self.other.items())}
        return told


def fold(key: Key, events: Sequence[SubjectEvent]) -> Subject:
    """The subject that its events make; at least one is needed. Their order does not matter.

    The amount is that of its first event (issued, succeeded, paid, reported), the state that of its
    last: a payment that failed and then succeeded has succeeded. Sums are in its currency; what an
    event has in another one (a chargeback by a card scheme) is kept beside them, in `other`.
    """
    assert events
    ordered = sorted(events, key=lambda e: (e.occurred_at, _STATE[e.type][1], e.event_id, e.feed))
    opening = next((e for e in ordered if _STATE[e.type][0] not in ENDED), ordered[0])
    named = [e.currency for e in (opening, *ordered) if e.currency is not None]
    currency = named[0] if named else None
    figures: dict[str, _Figure] = {}
    for one in ordered:
        figures.setdefault(one.type, _Figure()).add(one, currency)
    last = ordered[-1]
    return Subject(
        key=key,
        state=_STATE[last.type][0],
        amount=opening.amount,
        currency=currency,
        correlation_id=opening.correlation_id,
        feed=opening.feed,
        events=len(ordered),
        first_at=ordered[0].occurred_at,
        last_at=last.occurred_at,
        figures={what: figure.as_json() for what, figure in sorted(figures.items())},
    )
