"""The live state, summed up: what the senders told, what the batch should find, what waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tieout.money import plain_amount
from tieout.register.eventtables import (
    event,
    event_conflict,
    event_sequence,
    expectation,
    is_waiting,
    subject,
)
from tieout.register.register import Register
from tieout.settings import Settings

DAYS = 31
"""Days back of which subjects are counted; what is open is told however old it is."""
MOST_TOLD = 20


def summary(
    register: Register, settings: Settings, now: datetime, days: int = DAYS
) -> dict[str, Any]:
    """The live state as JSON: amounts are text, moments ISO in UTC.

    `inbox`: newest and applied sequence, what waits; `dead_letters` by feed and code; `subjects` of
    the last days by entity, kind, currency and state, with their amounts; `expectations` by entity,
    kind, what and currency: how many are open, how many of these overdue, how many due in the last
    days are met, each with the amount at stake; `overdue`: the first of those, oldest first.
    """
    since = now - timedelta(days=days)
    with register.reading() as connection:
        return {
            "company": settings.company,
            "as_of": now.isoformat(),
            "days": days,
            "inbox": inbox_state(connection, now),
            "dead_letters": _dead(connection),
            "subjects": _subjects(connection, since),
            "expectations": _expectations(connection, now, since),
            "overdue": _overdue(connection, now),
        }


def inbox_state(connection: Connection, now: datetime) -> dict[str, Any]:
    """Newest sequence, applied through which one, how many wait and since when, conflicts."""
    newest = connection.execute(sa.select(event_sequence.c.last)).scalar_one()
    waiting, oldest, first = connection.execute(
        sa.select(
            sa.func.count(), sa.func.min(event.c.received_at), sa.func.min(event.c.sequence)
        ).where(is_waiting(), event.c.state == "new")
    ).one()
    conflicts = connection.execute(sa.select(sa.func.count()).select_from(event_conflict))
    return {
        "newest_sequence": newest,
        "applied_through": newest if first is None else first - 1,
        "waiting": waiting,
        "oldest_waiting_seconds": None if oldest is None else int((now - oldest).total_seconds()),
        "conflicts": conflicts.scalar_one(),
    }


def _dead(connection: Connection) -> list[dict[str, Any]]:
    code = event.c.problem["code"].as_string()
    query = (
        sa.select(event.c.feed, code.label("code"), sa.func.count().label("events"))
        .where(is_waiting(), event.c.state == "dead")
        .group_by(event.c.feed, code)
        .order_by(event.c.feed, code)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def _subjects(connection: Connection, since: datetime) -> list[dict[str, Any]]:
    c = subject.c
    query = _counted(sa.select(c.entity, c.kind, c.state), ()).where(c.last_at >= since)
    sums: dict[tuple[str, str, str, str], _Sum] = {}
    for row in connection.execute(query):
        key = (row.entity, row.kind, row.currency or "", row.state)
        sums.setdefault(key, _Sum()).add(row)
    return [
        {
            "entity": entity,
            "kind": kind,
            "currency": currency or None,
            "state": state,
            **one.told(currency),
        }
        for (entity, kind, currency, state), one in sorted(sums.items())
    ]


def _expectations(connection: Connection, now: datetime, since: datetime) -> list[dict[str, Any]]:
    e = expectation.c
    late = sa.and_(e.state == "open", e.due < now).label("late")
    query = sa.select(e.entity, e.kind, e.what, e.state, late, sa.func.min(e.due).label("oldest"))
    query = query.select_from(sa.join(expectation, subject, _SAME))
    wanted = sa.or_(e.state == "open", sa.and_(e.state == "met", e.due >= since))
    sums: dict[tuple[str, str, str, str], dict[str, _Sum]] = {}
    oldest: dict[tuple[str, str, str, str], datetime] = {}
    for row in connection.execute(_counted(query, ("oldest",)).where(wanted)):
        key = (row.entity, row.kind, row.what, row.currency or "XXX")
        found = sums.setdefault(key, {"open": _Sum(), "overdue": _Sum(), "met": _Sum()})
        found[row.state].add(row)
        if row.late:
            found["overdue"].add(row)
        if row.state == "open":
            oldest[key] = min(row.oldest, oldest.get(key, row.oldest))
    return [
        {
            "entity": entity,
            "kind": kind,
            "what": what,
            "currency": currency,
            **{name: one.told(currency) for name, one in found.items()},
            "oldest_due": oldest[key].isoformat() if key in oldest else None,
        }
        for key, found in sorted(sums.items())
        for entity, kind, what, currency in (key,)
    ]


_SAME = sa.and_(
    expectation.c.entity == subject.c.entity,
    expectation.c.kind == subject.c.kind,
    expectation.c.ref == subject.c.ref,
)


def _counted(query: sa.Select[Any], beside: tuple[str, ...]) -> sa.Select[Any]:
    """The rows of a query by their columns and amounts. Equal amounts come as one row, and are
    added up in Python: SQLite would add decimal text as floating point."""
    by = [c for c in query.selected_columns if c.key not in beside]
    money = (subject.c.currency, subject.c.amount)
    return query.add_columns(*money, sa.func.count().label("rows")).group_by(*by, *money)


@dataclass
class _Sum:
    """How many, and what they come to."""

    count: int = 0
    amount: Decimal = Decimal(0)

    def add(self, row: Any) -> None:
        """Rows of one amount."""
        self.count += row.rows
        self.amount += row.rows * Decimal(row.amount or 0)

    def told(self, currency: str) -> dict[str, Any]:
        """As JSON."""
        return {"count": self.count, "amount": _amount(self.amount, currency)}


def _overdue(connection: Connection, now: datetime) -> list[dict[str, Any]]:
    e, s = expectation.c, subject.c
    query = (
        sa.select(e.entity, e.kind, e.ref, e.what, e.due, s.amount, s.currency, s.state, s.feed)
        .select_from(sa.join(expectation, subject, _SAME))
        .where(e.state == "open", e.due < now)
        .order_by(e.due, e.entity, e.kind, e.ref, e.what)
        .limit(MOST_TOLD)
    )
    return [_told(row, now) for row in connection.execute(query)]


def _told(row: Any, now: datetime) -> dict[str, Any]:
    return {
        "entity": row.entity,
        "kind": row.kind,
        "ref": row.ref,
        "state": row.state,
        "what": row.what,
        "due": row.due.isoformat(),
        "overdue_hours": int((now - row.due).total_seconds() // 3600),
        "amount": None if row.amount is None else _amount(Decimal(row.amount), row.currency),
        "currency": row.currency,
        "feed": row.feed,
    }


def _amount(amount: Decimal, currency: str | None) -> str:
    return plain_amount(amount, currency or "XXX")
