"""Applies what the inbox holds to the live state, some events at a time, as often as need be.

Every subject an event touches is worked out anew from all its events (`subjects.fold`), so that
applying again changes nothing, and a crash at any point leaves nothing half done.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from tieout.errors import TieoutError
from tieout.events.fields import note_fields
from tieout.events.model import Problem
from tieout.events.subjects import ENDED, Key, Subject, SubjectEvent, fold
from tieout.register.eventtables import event, event_ref, expectation, subject
from tieout.register.register import Register, now
from tieout.register.statements import chunks, insert, upsert
from tieout.settings import Settings

MOST_ATTEMPTS = 8
"""Tries of an event whose failure may pass; then a person looks at it."""
_FIRST_WAIT, _LONGEST_WAIT = 1, 300
"""Seconds: the wait doubles from the one to the other, and each is drawn at random below that."""
_APPLIER = 0x7469_6576
"""The advisory lock of whoever applies: one at a time, the others have nothing to do."""
_LOCK_WAIT = "2s"
_NEEDED = [
    event.c.sequence,
    event.c.feed,
    event.c.event_id,
    event.c.envelope,
    event.c.state,
    event.c.attempts,
]


def apply_waiting(register: Register, settings: Settings, most: int = 500) -> int:
    """Apply up to `most` events that wait, in order of sequence; how many were worked.

    What fails for a reason that may pass (a lock, a timeout) is tried again later, by itself, so
    that it holds up no other. Raises TieoutError when the register cannot be reached at all.
    """
    tried: list[int] = []
    try:
        return _apply(register, settings, most, tried)
    except TieoutError as problem:
        if not tried:
            raise
        with register.writing() as connection:
            _try_later(connection, tried, problem)
        return 0


def _apply(register: Register, settings: Settings, most: int, tried: list[int]) -> int:
    with register.writing() as connection:
        if not _alone(connection):
            return 0
        waiting = _waiting(connection, most)
        if not waiting:
            return 0
        tried += [row.sequence for row in waiting]
        at = now(connection)
        by_key = _all_of_their_subjects(connection, waiting)
        subjects, poison = _folded(by_key)
        dead = {row.sequence: poison[key] for row in waiting if (key := _key(row)) in poison}
        good = [row for row in waiting if row.sequence not in dead]
        if subjects:
            _write(connection, settings, subjects)
        _note_refs(connection, good)
        note_fields(connection, [row.sequence for row in good], at)
        done = [row.sequence for row in good]
        for some in chunks(done):
            connection.execute(
                sa.update(event)
                .where(event.c.sequence.in_(some))
                .values(state="applied", attempts=event.c.attempts + 1, next_try_at=None)
            )
        for sequence, told in dead.items():
            _bury(connection, sequence, _unfoldable(told))
    return len(waiting)


def _alone(connection: Connection) -> bool:
    """Whether nobody else applies just now. SQLite's one writer is alone anyway."""
    if connection.dialect.name != "postgresql":
        return True
    connection.execute(sa.text(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'"))
    return bool(connection.execute(sa.select(sa.func.pg_try_advisory_xact_lock(_APPLIER))).scalar())


def _waiting(connection: Connection, most: int) -> Sequence[Row[Any]]:
    """New events; where there are none, one that failed before and whose time has come."""
    query = sa.select(*_NEEDED).where(event.c.state == "new").order_by(event.c.sequence)
    fresh = connection.execute(query.where(event.c.attempts == 0).limit(most)).all()
    if fresh:
        return fresh
    due = event.c.next_try_at <= now(connection)
    return connection.execute(query.where(event.c.attempts > 0, due).limit(1)).all()


def _key(row: Row[Any]) -> Key:
    told = row.envelope
    return told["entity"], told["subject_kind"], told["subject_ref"]


def _all_of_their_subjects(
    connection: Connection, waiting: Sequence[Row[Any]]
) -> dict[Key, list[SubjectEvent]]:
    """Every event, applied or waiting, of the subjects that are touched."""
    keys = {_key(row) for row in waiting}
    found: dict[Key, list[SubjectEvent]] = {key: [] for key in keys}
    for refs in chunks(sorted({ref for _, _, ref in keys})):
        query = sa.select(*_NEEDED).where(
            event.c.subject_ref.in_(refs), event.c.state.in_(("new", "applied"))
        )
        for row in connection.execute(query):
            if (key := _key(row)) in keys:
                found[key].append(_event(row))
    return found


def _event(row: Row[Any]) -> SubjectEvent:
    told = row.envelope
    return SubjectEvent(
        event_id=row.event_id,
        feed=row.feed,
        type=told["type"],
        occurred_at=datetime.fromisoformat(told["occurred_at"]),
        amount=None if told["amount"] is None else Decimal(told["amount"]),
        currency=told["currency"],
        correlation_id=told["correlation_id"],
    )


def _folded(by_key: Mapping[Key, list[SubjectEvent]]) -> tuple[list[Subject], dict[Key, str]]:
    """The subjects, and why those that cannot be folded cannot."""
    subjects, poison = [], {}
    for key, events in sorted(by_key.items()):
        try:
            subjects.append(fold(key, events))
        except ValueError as problem:
            poison[key] = str(problem)
    return subjects, poison


def _write(connection: Connection, settings: Settings, subjects: Sequence[Subject]) -> None:
    rows = [
        {
            "entity": one.key[0],
            "kind": one.key[1],
            "ref": one.key[2],
            "state": one.state,
            "amount": None if one.amount is None else str(one.amount),
            "currency": one.currency,
            "correlation_id": one.correlation_id,
            "feed": one.feed,
            "events": one.events,
            "first_at": one.first_at,
            "last_at": one.last_at,
            "figures": one.figures,
        }
        for one in subjects
    ]
    connection.execute(upsert(connection, subject, ("entity", "kind", "ref")), rows)
    expected = [row for one in subjects for row in _expected(settings, one)]
    if not expected:
        return
    statement = insert(connection, expectation)
    new = statement.excluded
    met = expectation.c.state == "met"
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["entity", "kind", "ref", "what"],
            # What the batch has met stays met, whatever the sender says afterwards.
            # And what is told anew is looked for among all lines, not only among new ones.
            set_={
                "state": sa.case((met, "met"), else_=new.state),
                "due": new.due,
                "searched": sa.false(),
            },
        ),
        expected,
    )


def _expected(settings: Settings, one: Subject) -> Iterable[dict[str, Any]]:
    feed = settings.feeds.get(one.feed)
    expects = feed.inbox.expects if feed and feed.inbox else {}
    wanted = expects.get(one.key[1])  # type: ignore[call-overload]
    if wanted is None:
        return
    hours = {"extract_line": wanted.line_within_hours}
    if wanted.posted_by is not None:
        hours["ledger_posting"] = wanted.posted_within_hours
    for what, within in hours.items():
        yield {
            "entity": one.key[0],
            "kind": one.key[1],
            "ref": one.key[2],
            "what": what,
            "state": "cancelled" if one.state in ENDED else "open",
            "due": one.first_at + timedelta(hours=within),
        }


def _note_refs(connection: Connection, rows: Sequence[Row[Any]]) -> None:
    refs = [
        {"ref": ref, "kind": kind, "sequence": row.sequence}
        for row in rows
        for kind, ref in sorted(row.envelope["refs"].items())
    ]
    if refs:
        connection.execute(insert(connection, event_ref).on_conflict_do_nothing(), refs)


def _unfoldable(told: str) -> Problem:
    remedy = "see all its events with `tieout trace`; discard the wrong one, then replay the others"
    return Problem("business", "contradiction", told, remedy)


def _bury(connection: Connection, sequence: int, problem: Problem) -> None:
    connection.execute(
        sa.update(event)
        .where(event.c.sequence == sequence)
        .values(state="dead", attempts=event.c.attempts + 1, problem=problem.as_json())
    )


def _try_later(connection: Connection, sequences: Sequence[int], problem: TieoutError) -> None:
    """Note a failure that may pass, and when each of the events is tried again."""
    at = now(connection)
    told = Problem("transient", _code(problem.problem), problem.problem, "replay it once it passed")
    rows = connection.execute(
        sa.select(event.c.sequence, event.c.attempts).where(
            event.c.sequence.in_(sequences), event.c.state == "new"
        )
    ).all()
    for sequence, attempts in rows:
        if attempts + 1 >= MOST_ATTEMPTS:
            _bury(connection, sequence, told)
            continue
        longest = min(_FIRST_WAIT * 2**attempts, _LONGEST_WAIT)
        wait = timedelta(seconds=random.uniform(0, longest))  # noqa: S311 - jitter, no secret
        connection.execute(
            sa.update(event)
            .where(event.c.sequence == sequence)
            .values(attempts=attempts + 1, next_try_at=at + wait, problem=told.as_json())
        )


def _code(said: str) -> str:
    if "lock" in said:
        return "lock"
    return "timeout" if "timeout" in said else "database"
