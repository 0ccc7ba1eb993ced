"""The live state, summed up: what the senders told, what the batch should find, what waits."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tieout.money import plain_amount
from tieout.register.eventtables import event, event_conflict, event_sequence, expectation, subject
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
    the last days by entity, kind, currency and state; `expectations` that are open, with the amount
    at stake and how much of it is overdue; `overdue`: the first of those, oldest first.
    """
    with register.reading() as connection:
        still = _open(connection)
        return {
            "company": settings.company,
            "as_of": now.isoformat(),
            "days": days,
            "inbox": inbox_state(connection, now),
            "dead_letters": _dead(connection),
            "subjects": _subjects(connection, now - timedelta(days=days)),
            "expectations": _by_kind(still, now),
            "overdue": [_told(row, now) for row in still if row.due < now][:MOST_TOLD],
        }


def inbox_state(connection: Connection, now: datetime) -> dict[str, Any]:
    """Newest sequence, applied through which one, how many wait and since when, conflicts."""
    newest = connection.execute(sa.select(event_sequence.c.last)).scalar_one()
    waiting, oldest, first = connection.execute(
        sa.select(
            sa.func.count(), sa.func.min(event.c.received_at), sa.func.min(event.c.sequence)
        ).where(event.c.state == "new")
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
        .where(event.c.state == "dead")
        .group_by(event.c.feed, code)
        .order_by(event.c.feed, code)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def _subjects(connection: Connection, since: datetime) -> list[dict[str, Any]]:
    c = subject.c
    key = (c.entity, c.kind, c.currency, c.state)
    query = sa.select(*key, sa.func.count().label("count")).where(c.last_at >= since).group_by(*key)
    rows = [dict(row) for row in connection.execute(query).mappings()]
    return sorted(rows, key=lambda row: tuple(str(row[c.name]) for c in key))


def _open(connection: Connection) -> list[Any]:
    """Open expectations with what is at stake, the oldest first."""
    e, s = expectation.c, subject.c
    same = sa.and_(e.entity == s.entity, e.kind == s.kind, e.ref == s.ref)
    query = (
        sa.select(e.entity, e.kind, e.ref, e.what, e.due, s.amount, s.currency, s.state, s.feed)
        .select_from(sa.join(expectation, subject, same))
        .where(e.state == "open")
        .order_by(e.due, e.entity, e.kind, e.ref, e.what)
    )
    return list(connection.execute(query))


def _by_kind(rows: Iterable[Any], now: datetime) -> list[dict[str, Any]]:
    sums: dict[tuple[str, str, str, str], dict[str, Any]] = {}
    for row in rows:
        key = (row.entity, row.kind, row.what, row.currency or "XXX")
        none = {"open": [0, Decimal(0)], "overdue": [0, Decimal(0)], "oldest_due": row.due}
        found = sums.setdefault(key, none)
        for name in ("open", "overdue") if row.due < now else ("open",):
            found[name][0] += 1
            found[name][1] += Decimal(row.amount or 0)
    return [
        {
            "entity": entity,
            "kind": kind,
            "what": what,
            "currency": currency,
            "open": {"count": s["open"][0], "amount": _amount(s["open"][1], currency)},
            "overdue": {"count": s["overdue"][0], "amount": _amount(s["overdue"][1], currency)},
            "oldest_due": s["oldest_due"].isoformat(),
        }
        for (entity, kind, what, currency), s in sorted(sums.items())
    ]


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
