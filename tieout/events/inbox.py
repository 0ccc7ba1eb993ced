"""The inbox: events stored durably, each once for good, in an order that hides none.

Sequences are given out under the lock of one row, held until the events are committed: whoever has
read up to a sequence has read everything before it, however many processes take events in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tieout.events import postgresql
from tieout.events.model import EventState, InboxEvent, NewEvent, Stored
from tieout.register.eventtables import event, event_conflict, event_sequence
from tieout.register.register import now
from tieout.register.statements import chunks

_LIGHT = [c for c in event.c if c.name not in ("body", "headers", "body_sha256")]


def store(connection: Connection, events: Sequence[NewEvent]) -> list[Stored]:
    """Store events in one transaction of the caller's; what became of each, in their order.

    The same id with the same body is a duplicate and counted; with another body it is a conflict,
    kept apart and never applied. Twice in one call is as twice in two.
    """
    first: dict[tuple[str, str], NewEvent] = {}
    for one in events:
        first.setdefault((one.feed, one.event_id), one)
    stored = _stored(connection, list(first.values()))
    known = dict(zip(first, stored, strict=True))
    outcomes: list[Stored] = []
    repeated: Counter[int] = Counter()
    for one in events:
        key = (one.feed, one.event_id)
        sequence, before = known[key]
        if before is None:
            known[key] = (sequence, one.body_sha256)
            outcomes.append(Stored("new", sequence))
        elif before == one.body_sha256:
            repeated[sequence] += 1
            outcomes.append(Stored("duplicate", sequence))
        else:
            _set_aside(connection, one, now(connection))
            outcomes.append(Stored("conflict", sequence))
    if repeated:
        connection.execute(
            sa.update(event)
            .where(event.c.sequence == sa.bindparam("of"))
            .values(duplicates=event.c.duplicates + sa.bindparam("more")),
            [{"of": sequence, "more": times} for sequence, times in sorted(repeated.items())],
        )
    return outcomes


def after(
    connection: Connection, sequence: int, most: int, states: Iterable[EventState] = ()
) -> list[InboxEvent]:
    """Events after a sequence, in order, without their bodies; `states` empty means any."""
    query = sa.select(*_LIGHT).where(event.c.sequence > sequence)
    if wanted := list(states):
        query = query.where(event.c.state.in_(wanted))
    rows = connection.execute(query.order_by(event.c.sequence).limit(most)).mappings()
    return [InboxEvent(**_own(row)) for row in rows]


def by_sequence(connection: Connection, sequences: Sequence[int]) -> list[InboxEvent]:
    """Events with body and headers, in order of sequence; unknown ones are left out."""
    found: list[InboxEvent] = []
    for some in chunks(sorted(set(sequences))):
        rows = connection.execute(sa.select(event).where(event.c.sequence.in_(some))).mappings()
        found += [InboxEvent(**_own(row)) for row in rows]
    return sorted(found, key=lambda one: one.sequence)


def _own(row: Any) -> dict[str, Any]:
    names = InboxEvent.__dataclass_fields__
    return {name: value for name, value in row.items() if name in names}


def _stored(connection: Connection, events: Sequence[NewEvent]) -> list[tuple[int, str | None]]:
    """Store what is not known: each one's sequence, and the sha256 it had before, None if none.

    Under the lock of the sequence, and in the order given; no id may be there twice.
    """
    if connection.dialect.name == "postgresql":
        return postgresql.store(connection, events)
    last = int(connection.execute(sa.select(event_sequence.c.last)).scalar_one())
    known = _known(connection, events)
    at, rows = now(connection), []
    found: list[tuple[int, str | None]] = []
    for one in events:
        before = known.get((one.feed, one.event_id))
        if before is None:
            last += 1
            rows.append(_row(one, last, at))
        found.append(before or (last, None))
    if rows:
        connection.execute(sa.insert(event), rows)
        connection.execute(sa.update(event_sequence).values(last=last))
    return found


def _known(
    connection: Connection, events: Sequence[NewEvent]
) -> dict[tuple[str, str], tuple[int, str]]:
    """What is there already; feed by feed, for SQLite finds no pair by its index, and would read
    the whole inbox for every group."""
    by_feed: dict[str, list[str]] = {}
    for one in events:
        by_feed.setdefault(one.feed, []).append(one.event_id)
    found: dict[tuple[str, str], tuple[int, str]] = {}
    columns = (event.c.event_id, event.c.sequence, event.c.body_sha256)
    for feed, ids in by_feed.items():
        for some in chunks(ids):
            query = sa.select(*columns).where(event.c.feed == feed, event.c.event_id.in_(some))
            for event_id, sequence, sha256 in connection.execute(query):
                found[feed, event_id] = (sequence, sha256)
    return found


def _row(one: NewEvent, sequence: int, at: datetime) -> dict[str, Any]:
    return {
        "sequence": sequence,
        "feed": one.feed,
        "event_id": one.event_id,
        "received_at": at,
        # One whose own time cannot be read counts in the day it came.
        "occurred_at": one.envelope.occurred_at or at,
        "body": one.body,
        "body_sha256": one.body_sha256,
        "headers": dict(one.headers),
        "envelope": one.envelope.as_json(),
        "subject_kind": one.envelope.subject_kind,
        "subject_ref": one.envelope.subject_ref,
        "correlation_id": one.envelope.correlation_id,
        "state": one.state,
        "attempts": 0,
        "problem": None if one.problem is None else one.problem.as_json(),
        "duplicates": 0,
    }


def _set_aside(connection: Connection, one: NewEvent, at: datetime) -> None:
    c = event_conflict.c
    same = (c.feed == one.feed, c.event_id == one.event_id, c.body_sha256 == one.body_sha256)
    again = connection.execute(sa.update(event_conflict).where(*same).values(times=c.times + 1))
    if again.rowcount:
        return
    row = {
        "feed": one.feed,
        "event_id": one.event_id,
        "received_at": at.astimezone(UTC),
        "body": one.body,
        "body_sha256": one.body_sha256,
        "headers": dict(one.headers),
        "times": 1,
    }
    connection.execute(sa.insert(event_conflict), row)
