"""Dead letters: events that wait for a person, read again after a fix, or discarded with a reason.

Whatever a person does is recorded beside the event, with what it was before and is after.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tieout.errors import RequestError
from tieout.events.framing import document
from tieout.events.inbox import by_sequence, store
from tieout.events.mapping import Mapper
from tieout.events.model import InboxEvent, NewEvent, Problem
from tieout.events.receive import mapper_of
from tieout.events.refused import Refused
from tieout.register.audited import about
from tieout.register.chain import append
from tieout.register.eventtables import event, event_action, event_conflict, is_waiting
from tieout.register.register import Register, now
from tieout.register.statements import chunks
from tieout.settings import Settings

Action = Literal["replay", "discard", "import"]
_TOGETHER = 500


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay made of one event: `state` is new (it will be applied), ignored or dead."""

    sequence: int
    feed: str
    event_id: str
    state: str
    problem: Mapping[str, Any] | None


def waiting(
    register: Register, *, feed: str | None = None, code: str | None = None, most: int = 1_000
) -> list[InboxEvent]:
    """Events in the dead letters, the oldest first; by feed and code of the problem."""
    query = sa.select(event.c.sequence).where(is_waiting(), event.c.state == "dead")
    if feed is not None:
        query = query.where(event.c.feed == feed)
    if code is not None:
        query = query.where(event.c.problem["code"].as_string() == code)
    with register.reading() as connection:
        found = connection.execute(query.order_by(event.c.sequence).limit(most)).scalars()
        return by_sequence(connection, list(found))


def replay(
    register: Register, settings: Settings, sequences: Iterable[int], who: str, reason: str
) -> list[Replayed]:
    """Read dead events again by the declarations of today.

    What is right now waits to be applied; what is not stays, with today's problem. An event that is
    no dead letter any more is passed over, so that replaying twice does nothing twice. Raises
    ConfigurationError for a feed that is no longer there.
    """
    wanted = sorted(set(sequences))
    done: list[Replayed] = []
    mappers: dict[str, Mapper] = {}
    for some in chunks(wanted, _TOGETHER):
        with register.writing() as connection:
            for one in by_sequence(connection, some):
                if one.state != "dead":
                    continue
                mapper = mappers.setdefault(one.feed, mapper_of(settings, one.feed))
                done.append(_replay(connection, mapper, one, who, reason))
    return done


def _replay(
    connection: Connection, mapper: Mapper, one: InboxEvent, who: str, reason: str
) -> Replayed:
    read = _read(mapper, one)
    problem = None if read.problem is None else read.problem.as_json()
    envelope = read.envelope.as_json()
    connection.execute(
        sa.update(event)
        .where(event.c.sequence == one.sequence, event.c.state == "dead")
        .values(
            state=read.state,
            attempts=0,
            next_try_at=None,
            problem=problem,
            envelope=envelope,
            occurred_at=read.envelope.occurred_at or one.occurred_at,
            subject_kind=read.envelope.subject_kind,
            subject_ref=read.envelope.subject_ref,
            correlation_id=read.envelope.correlation_id,
        )
    )
    after = {"state": read.state, "problem": problem, "envelope": envelope}
    before = {"state": one.state, "problem": one.problem, "envelope": one.envelope}
    _record(connection, "replay", one.feed, one.sequence, who, reason, before, after)
    return Replayed(one.sequence, one.feed, one.event_id, read.state, problem)


def _read(mapper: Mapper, one: InboxEvent) -> NewEvent:
    """The event by today's declaration; one that cannot be read at all stays as it is."""
    try:
        read = document(one.body, one.headers)
    except Refused as wrong:
        problem = Problem("business", "malformed", wrong.detail, "discard it")
        empty = mapper.read(one.body, {}, dict(one.headers), one.event_id)
        return NewEvent(
            empty.feed,
            empty.event_id,
            empty.body,
            empty.body_sha256,
            empty.headers,
            empty.envelope,
            "dead",
            problem,
        )
    return mapper.read(one.body, read, dict(one.headers), one.event_id)


def discard(
    register: Register, sequences: Iterable[int], who: str, reason: str
) -> list[InboxEvent]:
    """Take dead events out of the dead letters for good; they stay in the inbox.

    Returns those that were discarded; one that is no dead letter is passed over.
    """
    done: list[InboxEvent] = []
    for some in chunks(sorted(set(sequences)), _TOGETHER):
        with register.writing() as connection:
            for one in by_sequence(connection, some):
                if one.state != "dead":
                    continue
                connection.execute(
                    sa.update(event)
                    .where(event.c.sequence == one.sequence)
                    .values(state="discarded")
                )
                before = {"state": one.state, "problem": one.problem}
                after = {"state": "discarded"}
                _record(connection, "discard", one.feed, one.sequence, who, reason, before, after)
                done.append(one)
    return done


def import_events(
    register: Register,
    settings: Settings,
    feed: str,
    bodies: Iterable[bytes],
    who: str,
    reason: str,
) -> dict[str, int]:
    """Store events that a sender wrote into a file or answers by its API, one JSON object each.

    They are stored as received ones are: an event that is there already is a duplicate. Returns how
    many were new, duplicate, conflict. Raises RequestError naming the row that is no event.
    """
    mapper = mapper_of(settings, feed)
    counts = {"new": 0, "duplicate": 0, "conflict": 0}
    for some in _batches(_imported(mapper, bodies)):
        with register.writing() as connection:
            for stored in store(connection, some):
                counts[stored.outcome] += 1
    with register.writing() as connection:
        _record(connection, "import", feed, None, who, reason, {}, {**counts})
    return counts


def _imported(mapper: Mapper, bodies: Iterable[bytes]) -> Iterable[NewEvent]:
    scheme = mapper.webhook.scheme
    for number, body in enumerate(bodies, 1):
        if not body.strip():
            continue
        raw, headers = body.strip(), {"content-type": "application/json"}
        try:
            read = document(raw, headers)
        except Refused as wrong:
            raise RequestError(
                f"row {number} is no event: {wrong.detail}", "write one JSON object a line"
            ) from None
        if (
            scheme == "standard_webhooks"
            and isinstance(read, dict)
            and isinstance(read.get("id"), str)
        ):
            headers["webhook-id"] = read["id"]  # a file has no headers
        event_id = mapper.event_id(read, headers)
        if event_id is None:
            places = mapper.webhook.event_id
            raise RequestError(f"row {number} has no id (at {places})", "see the format's webhook")
        yield mapper.read(raw, read, headers, event_id)


def _batches(events: Iterable[NewEvent]) -> Iterable[list[NewEvent]]:
    batch: list[NewEvent] = []
    for one in events:
        batch.append(one)
        if len(batch) == _TOGETHER:
            yield batch
            batch = []
    if batch:
        yield batch


def conflicts(register: Register, most: int = 1_000) -> list[dict[str, Any]]:
    """Other bodies that came under a known id, the newest first."""
    c = event_conflict.c
    columns = (c.id, c.feed, c.event_id, c.received_at, c.body_sha256, c.times, c.body)
    query = sa.select(*columns).order_by(c.id.desc()).limit(most)
    with register.reading() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def actions(register: Register, sequence: int) -> list[dict[str, Any]]:
    """What persons did with an event, in order."""
    query = sa.select(event_action).where(event_action.c.sequence == sequence)
    with register.reading() as connection:
        rows = connection.execute(query.order_by(event_action.c.id)).mappings()
        return [dict(row) for row in rows]


def _record(
    connection: Connection,
    action: Action,
    feed: str,
    sequence: int | None,
    who: str,
    reason: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> None:
    done_at: datetime = now(connection)
    row = {
        "sequence": sequence,
        "feed": feed,
        "action": action,
        "who": who,
        "reason": reason,
        "done_at": done_at,
        "before": dict(before),
        "after": dict(after),
    }
    made = connection.execute(sa.insert(event_action).values(**row))
    assert made.inserted_primary_key is not None
    row["id"] = int(made.inserted_primary_key[0])
    append(connection, "event_action", [about("event_action", row)], done_at)


def listed(
    register: Register,
    *,
    feed: str | None = None,
    state: str | None = None,
    before: int | None = None,
    most: int = 50,
) -> list[InboxEvent]:
    """Events, the newest first, without bodies."""
    query = sa.select(event.c.sequence)
    for column, value in ((event.c.feed, feed), (event.c.state, state)):
        if value is not None:
            query = query.where(column == value)
    if state in ("new", "dead"):
        query = query.where(is_waiting())
    if before is not None:
        query = query.where(event.c.sequence < before)
    with register.reading() as connection:
        found: Sequence[int] = list(
            connection.execute(query.order_by(event.c.sequence.desc()).limit(most)).scalars()
        )
        return by_sequence(connection, found)[::-1]
