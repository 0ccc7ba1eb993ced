"""The inbox: events stored durably, each once for good, in an order that hides none.

Sequences are given out under the lock of one row, held until the events are committed: whoever has
read up to a sequence has read everything before it, however many processes take events in.
"""

from __future__ import annotations

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
    last = _locked_sequence(connection)
    at = now(connection)  # under the lock, so that it grows with the sequence
    known = _known(connection, events)
    fresh: list[dict[str, Any]] = []
    outcomes: list[Stored] = []
    repeated: dict[int, int] = {}
    for one in events:
        before = known.get((one.feed, one.event_id))
        if before is None:
            last += 1
            known[one.feed, one.event_id] = (last, one.body_sha256)
            fresh.append(_row(one, last, at))
            outcomes.append(Stored("new", last))
        elif before[1] == one.body_sha256:
            repeated[before[0]] = repeated.get(before[0], 0) + 1
            outcomes.append(Stored("duplicate", before[0]))
        else:
            _set_aside(connection, one, at)
            outcomes.append(Stored("conflict", before[0]))
    if fresh:
        if _is_postgresql(connection):
            postgresql.insert(connection, fresh)
        else:
            connection.execute(sa.insert(event), fresh)
        connection.execute(sa.update(event_sequence).values(last=last))
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


def _locked_sequence(connection: Connection) -> int:
    query = sa.select(event_sequence.c.last).with_for_update()
    return int(connection.execute(query).scalar_one())


def _is_postgresql(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"


def _known(
    connection: Connection, events: Sequence[NewEvent]
) -> dict[tuple[str, str], tuple[int, str]]:
    wanted = sorted({(one.feed, one.event_id) for one in events})
    if _is_postgresql(connection):
        return postgresql.known(connection, wanted)
    found: dict[tuple[str, str], tuple[int, str]] = {}
    key = sa.tuple_(event.c.feed, event.c.event_id)
    columns = (event.c.feed, event.c.event_id, event.c.sequence, event.c.body_sha256)
    for some in chunks(wanted):
        for feed, event_id, sequence, sha256 in connection.execute(
            sa.select(*columns).where(key.in_(some))
        ):
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
