"""What waits for a person now: read from the register, grouped, with the amounts at stake."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tieout.alerts.gaps import gaps
from tieout.alerts.model import LARGEST, Alert, Group, Item
from tieout.alerts.settings import AlertKind
from tieout.money import added
from tieout.register.eventtables import event, event_refusal, expectation, is_waiting, subject
from tieout.workplace import Workplace

UNBELIEVED = ("bad_signature", "no_signature", "outside_window")
"""Reasons of refusal that say a sender is not who it says, or its key or clock is wrong."""
_NOBODY = Decimal(-1)


@dataclass
class _Growing:
    """A group while it is counted: rows may be many, so only the largest are kept."""

    remedy: str
    count: int = 0
    totals: dict[str, Decimal] = field(default_factory=dict)
    heaps: dict[str, list[tuple[Decimal, float, int, Any]]] = field(default_factory=dict)

    def add(self, amount: Decimal | None, currency: str | None, since: datetime, one: Any) -> None:
        """Count one; it may be named if it is among the largest of its currency, of equal ones the
        oldest: amounts of two currencies are never compared."""
        self.count += 1
        if amount is not None and currency is not None:
            self.totals[currency] = added(self.totals.get(currency, Decimal(0)), abs(amount))
        size = _NOBODY if amount is None else abs(amount)
        entry = (size, -since.timestamp(), -self.count, one)
        heap = self.heaps.setdefault(currency or "", [])
        if len(heap) < LARGEST:
            heapq.heappush(heap, entry)
        else:
            heapq.heappushpop(heap, entry)

    def largest(self) -> list[Any]:
        """The largest of every currency, then the next ones, as many as are named."""
        ranked = [
            (rank, currency, entry[-1])
            for currency, heap in self.heaps.items()
            for rank, entry in enumerate(sorted(heap, key=lambda one: one[:3], reverse=True))
        ]
        return [one for _, _, one in sorted(ranked, key=lambda of: of[:2])[:LARGEST]]


def open_alerts(
    workplace: Workplace, now: datetime, kinds: Iterable[AlertKind] | None = None
) -> list[Alert]:
    """What is open of the kinds asked for (else of the configured ones); a kind with none is left
    out.

    Notes how far senders' numbers have been looked through, so that each event is read once.
    """
    alerts = workplace.settings.alerts
    return [
        Alert(kind, tuple(groups))
        for kind in (kinds if kinds is not None else alerts.kinds)
        if (groups := _CONDITIONS[kind](workplace, now))
    ]


def _sla_breaches(workplace: Workplace, now: datetime) -> list[Group]:
    """Expectations past due, by feed and what was expected."""
    x, s = expectation.c, subject.c
    same = (x.entity == s.entity) & (x.kind == s.kind) & (x.ref == s.ref)
    query = (
        sa.select(s.feed, x.what, x.entity, x.kind, x.ref, x.due, s.state, s.amount, s.currency)
        .join_from(expectation, subject, same)
        .where(x.state == "open", x.due < now)
        .order_by(s.feed, x.what, x.due, x.entity, x.kind, x.ref)
    )
    growing: dict[str, _Growing] = {}
    with workplace.register.reading() as connection:
        for row in connection.execute(query):
            what = "extract line" if row.what == "extract_line" else "ledger posting"
            group = growing.setdefault(f"{row.feed}, {what}", _Growing(_SLA_REMEDY[row.what]))
            amount = None if row.amount is None else Decimal(row.amount)
            group.add(amount, row.currency, row.due, row)
        return [
            _group(name, one, lambda row: _late(connection, row)) for name, one in growing.items()
        ]


_SLA_REMEDY = {
    "extract_line": "see `tieout trace REF`; ask who sends the extract, or have it sent again",
    "ledger_posting": "see `tieout trace REF`; post it, or propose it with `tieout journals`",
}


def _late(connection: Connection, row: Any) -> Item:
    e = event.c
    query = sa.select(e.envelope).where(e.subject_ref == row.ref, e.subject_kind == row.kind)
    envelope = connection.execute(query.limit(1)).scalar_one_or_none() or {}
    customer = (envelope.get("refs") or {}).get("customer")
    whose = f" of customer {customer}" if customer else ""
    amount = None if row.amount is None else Decimal(row.amount)
    says = f"{row.kind} {row.ref}{whose} ({row.entity}), {row.state}"
    return Item(says, row.due, amount, row.currency)


def _dead_letters(workplace: Workplace, _now: datetime) -> list[Group]:
    """Events that wait for a person, by feed and what is wrong."""
    e = event.c
    query = (
        sa.select(e.feed, e.event_id, e.received_at, e.envelope, e.problem)
        .where(is_waiting(), e.state == "dead")
        .order_by(e.feed, e.sequence)
    )
    growing: dict[str, _Growing] = {}
    with workplace.register.reading() as connection:
        for row in connection.execute(query):
            problem = row.problem or {}
            name = f"{row.feed}, {problem.get('code', 'unknown')}"
            remedy = f"{problem.get('remedy', '')}; `tieout events dead` lists them".lstrip("; ")
            group = growing.setdefault(name, _Growing(remedy))
            amount = row.envelope.get("amount")
            group.add(
                None if amount is None else Decimal(amount),
                row.envelope.get("currency"),
                row.received_at,
                row,
            )
    return [_group(name, one, _dead) for name, one in sorted(growing.items())]


def _dead(row: Any) -> Item:
    envelope: Mapping[str, Any] = row.envelope
    of = {k: v for k, v in (envelope.get("refs") or {}).items() if k != "subscription"}
    refs = ", ".join(f"{kind} {ref}" for kind, ref in of.items())
    what = envelope.get("type") or envelope.get("source_type")
    says = f"{what} {refs}".rstrip() + f" (event {row.event_id})"
    reason = (row.problem or {}).get("reason")
    says += f": {reason}" if reason else ""
    amount = envelope.get("amount")
    return Item(
        says,
        row.received_at,
        None if amount is None else Decimal(amount),
        envelope.get("currency"),
    )


def _sequence_gaps(workplace: Workplace, now: datetime) -> list[Group]:
    """Numbers of a sender that never came, though later ones did."""
    late = now - timedelta(seconds=workplace.settings.alerts.lag_seconds)
    found = []
    for (feed, account), missing in sorted(gaps(workplace, now).items()):
        old = [gap for gap in missing if gap.since < late]
        if old:
            items = [Item(f"numbers {gap.first} to {gap.last}", gap.since) for gap in old[:LARGEST]]
            name = f"{feed}, {account}" if account else feed
            count = sum(gap.last - gap.first + 1 for gap in old)
            remedy = "have the sender send these events again; the batch proves what they moved"
            found.append(Group(name, count, {}, tuple(items), remedy))
    return found


def _signature_failures(workplace: Workplace, now: datetime) -> list[Group]:
    """Feeds with too many requests in this hour or the one before that cannot be believed."""
    r, most = event_refusal.c, workplace.settings.alerts.signature_failures_per_hour
    hour = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    query = sa.select(r.feed, r.hour, r.reason, r.times, r.last_at).where(
        r.reason.in_(UNBELIEVED), r.hour >= hour
    )
    with workplace.register.reading() as connection:
        rows = connection.execute(query.order_by(r.feed, r.hour, r.reason)).all()
    counted: dict[tuple[str, datetime], list[Any]] = {}
    for row in rows:
        counted.setdefault((row.feed, row.hour), []).append(row)
    found = []
    for (feed, at), of in counted.items():
        times = sum(row.times for row in of)
        if times >= most:
            told = ", ".join(f"{row.times:,} {row.reason}" for row in of)
            item = Item(f"hour {at:%Y-%m-%d %H:00} UTC: {told}", at)
            remedy = "was the key rotated? compare it with the sender's; else somebody probes"
            found.append(Group(feed, times, {}, (item,), remedy))
    return found


def _lag(workplace: Workplace, now: datetime) -> list[Group]:
    """Events received and not applied for too long."""
    late = now - timedelta(seconds=workplace.settings.alerts.lag_seconds)
    e = event.c
    query = (
        sa.select(
            e.feed, sa.func.count().label("waiting"), sa.func.min(e.received_at).label("since")
        )
        .where(is_waiting(), e.state == "new", e.received_at < late)
        .group_by(e.feed)
        .order_by(e.feed)
    )
    with workplace.register.reading() as connection:
        rows = connection.execute(query).all()
    remedy = "is `tieout intake` running? it applies what is stored; what is stored is not lost"
    return [
        Group(row.feed, row.waiting, {}, (Item("the oldest event", row.since),), remedy)
        for row in rows
    ]


def _group(name: str, one: _Growing, told: Callable[[Any], Item]) -> Group:
    largest = tuple(told(row) for row in one.largest())
    return Group(name, one.count, dict(sorted(one.totals.items())), largest, one.remedy)


_CONDITIONS: Mapping[AlertKind, Callable[[Workplace, datetime], Sequence[Group]]] = {
    "sla_breach": _sla_breaches,
    "dead_letters": _dead_letters,
    "sequence_gap": _sequence_gaps,
    "signature_failures": _signature_failures,
    "lag": _lag,
}
