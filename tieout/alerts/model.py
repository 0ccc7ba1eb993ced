"""What an alert is made of, as plain immutable values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from tieout.alerts.settings import AlertKind
from tieout.money import plain_amount

LARGEST = 5
"""Objects named of one group; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing at stake: what it is in a sentence, the amount, and since when."""

    says: str
    since: datetime
    amount: Decimal | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """What belongs together in an alert: the things of one feed and cause.

    `totals` are the amounts at stake by currency, `largest` at most LARGEST of the things, the
    largest amount first, `remedy` what a person can do.
    """

    name: str
    count: int
    totals: Mapping[str, Decimal]
    largest: tuple[Item, ...]
    remedy: str


@dataclass(frozen=True, slots=True)
class Alert:
    """Everything of one kind that waits for a person now."""

    kind: AlertKind
    groups: tuple[Group, ...]

    @property
    def count(self) -> int:
        """How many things in all groups."""
        return sum(group.count for group in self.groups)

    def as_json(self) -> dict[str, Any]:
        """Amounts are text, moments in ISO form."""
        return {
            "kind": self.kind,
            "count": self.count,
            "groups": [
                {
                    "name": group.name,
                    "count": group.count,
                    "totals": {c: plain_amount(a, c) for c, a in sorted(group.totals.items())},
                    "largest": [_item(one) for one in group.largest],
                    "remedy": group.remedy,
                }
                for group in self.groups
            ],
        }


def _item(one: Item) -> dict[str, Any]:
    amount = None
    if one.amount is not None and one.currency is not None:
        amount = plain_amount(one.amount, one.currency)
    return asdict(one) | {"since": one.since.isoformat(), "amount": amount}


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: one kind, open or resolved, to one target (its number, from 1)."""

    kind: AlertKind
    resolved: bool
    target: int
    title: str
    body: str
    sent: bool


@dataclass(frozen=True, slots=True)
class Notified:
    """What one call found open, and what it sent or tried to."""

    alerts: tuple[Alert, ...]
    messages: tuple[Message, ...]

    @property
    def failed(self) -> int:
        """Messages that no target took; they are tried again next time."""
        return sum(not one.sent for one in self.messages)

    def as_json(self) -> dict[str, Any]:
        """The whole as one JSON object."""
        return {
            "alerts": [one.as_json() for one in self.alerts],
            "messages": [asdict(one) for one in self.messages],
        }
