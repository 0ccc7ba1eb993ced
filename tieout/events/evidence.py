"""What the register knows of references: events, subjects, expectations, what persons did."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tieout.events.traced import Subject
from tieout.register.eventtables import (
    event,
    event_action,
    event_conflict,
    event_ref,
    expectation,
    subject,
)


@dataclass(frozen=True, slots=True)
class EventSeen:
    """An event as a trace tells it. `conflicts` counts other bodies that came under its id."""

    sequence: int
    feed: str
    event_id: str
    occurred_at: datetime
    received_at: datetime
    state: str
    duplicates: int
    conflicts: int
    envelope: Mapping[str, Any]
    problem: Mapping[str, Any] | None

    @property
    def refs(self) -> Mapping[str, str]:
        """Its references by kind."""
        return self.envelope["refs"] or {}

    @property
    def means(self) -> str:
        """Our word for what happened; the sender's where it is not mapped."""
        return str(self.envelope["type"] or self.envelope["source_type"])


@dataclass(frozen=True, slots=True)
class Promise:
    """A row of the table of expectations."""

    entity: str
    kind: str
    ref: str
    what: str
    state: str
    due: datetime
    met_on: date | None
    met_by: str | None


@dataclass(frozen=True, slots=True)
class Action:
    """What a person did to an event."""

    sequence: int
    feed: str
    action: str
    who: str
    reason: str
    done_at: datetime


def events(
    connection: Connection, refs: Sequence[str], feeds: Sequence[str], most: int
) -> tuple[list[EventSeen], int]:
    """The first events that carry a reference or have it as their id; and how many more there are.

    One that is not applied yet is found by its subject.
    """
    e = event.c
    named = sa.select(event_ref.c.sequence).where(event_ref.c.ref.in_(refs))
    wanted = sa.union(
        named,
        sa.select(e.sequence).where(e.subject_ref.in_(refs)),
        sa.select(e.sequence).where(e.feed.in_(feeds), e.event_id.in_(refs)),
    ).subquery()
    columns = [e[n] for n in _SEEN]
    query = sa.select(*columns).where(e.sequence.in_(sa.select(wanted.c.sequence)))
    whole = connection.execute(sa.select(sa.func.count()).select_from(wanted)).scalar_one()
    first = query.order_by(e.occurred_at, e.sequence).limit(max(most, 0))
    rows = connection.execute(first).mappings().all()
    conflicts = _conflicts(connection, [(row["feed"], row["event_id"]) for row in rows])
    found = [
        EventSeen(**row, conflicts=conflicts.get((row["feed"], row["event_id"]), 0)) for row in rows
    ]
    return found, whole - len(found)


_SEEN = [name for name in EventSeen.__dataclass_fields__ if name != "conflicts"]


def _conflicts(connection: Connection, of: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    c = event_conflict.c
    key = sa.tuple_(c.feed, c.event_id)
    query = sa.select(c.feed, c.event_id, sa.func.count()).where(key.in_(of))
    rows = connection.execute(query.group_by(c.feed, c.event_id)) if of else ()
    return {(feed, event_id): count for feed, event_id, count in rows}


def subjects(connection: Connection, refs: Sequence[str]) -> list[Subject]:
    """What the events of references come to."""
    s = subject.c
    query = sa.select(*(s[n] for n in Subject.__dataclass_fields__)).where(s.ref.in_(refs))
    rows = connection.execute(query.order_by(s.first_at, s.entity, s.kind, s.ref)).mappings()
    return [Subject(**row) for row in rows]


def promises(connection: Connection, refs: Sequence[str]) -> list[Promise]:
    """What is expected of the batch for references, the first due first."""
    x = expectation.c
    query = sa.select(*(x[n] for n in Promise.__dataclass_fields__)).where(x.ref.in_(refs))
    rows = connection.execute(query.order_by(x.due, x.entity, x.kind, x.ref, x.what)).mappings()
    return [Promise(**row) for row in rows]


def actions(connection: Connection, sequences: Collection[int]) -> list[Action]:
    """What persons did to events, in that order."""
    a = event_action.c
    query = sa.select(*(a[n] for n in Action.__dataclass_fields__))
    rows = connection.execute(query.where(a.sequence.in_(sequences)).order_by(a.id)).mappings()
    return [Action(**row) for row in rows] if sequences else []
