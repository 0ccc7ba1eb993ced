"""Applies what the inbox holds to the live state, some events at a time, as often as need be.

Every subject an event touches is worked out anew from all its events (`subjects.fold`), so that
applying again changes nothing, and a crash at any point leaves nothing half done.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from tieout.errors import TieoutError
from tieout.events.fields import note_fields
from tieout.events.model import Problem
from tieout.events.subjects import ENDED, Key, Subject, SubjectEvent, fold
from tieout.register.eventtables import event, event_ref, expectation, is_waiting, subject
from tieout.register.register import Register, now
from tieout.register.statements import chunks, insert, upsert
from tieout.settings import Settings

WHATS = ("extract_line", "ledger_posting")
MOST_ATTEMPTS = 8
"""Tries of an event whose failure may pass; then a person looks at it."""
_LEAST_WAIT, _FIRST_WAIT, _LONGEST_WAIT = 0.25, 1, 300
"""Seconds: the longest wait doubles from the second to the third; each is drawn at random between
the first and that."""
_TOGETHER = 3
"""Attempts after which an event is tried by itself: then it may be the one that fails."""
_MOST_ALONE = 20
"""Events tried by themselves in one call."""
_APPLIER = 0x7469_6576
"""The advisory lock of whoever applies: one at a time, the others have nothing to do."""
_LOCK_WAIT = "2s"
_Choice = Callable[[int], sa.Select[Any]]
log = logging.getLogger(__name__)
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

    What fails for a reason that may pass (a lock, a timeout) is tried again later: the first times
    together, then each event by itself, so that it holds up no other. What fails in itself goes to
    the dead letters. Raises TieoutError when the register cannot be reached at all.
    """
    worked = _turn(register, settings, _fresh, most)
    if not _any_due(register):
        return worked
    worked += _turn(register, settings, _due, most)
    for _ in range(_MOST_ALONE):
        alone = _turn(register, settings, _due_alone, 1)
        worked += alone
        if not alone:
            break
    return worked


def _turn(register: Register, settings: Settings, choose: _Choice, most: int) -> int:
    tried: list[int] = []
    try:
        return _apply(register, settings, choose(most), tried)
    except TieoutError as problem:
        if not tried:
            raise
        _try_later(register, tried, problem)
        return 0
    except Exception:  # whatever it is, it is one event's: the others must flow on
        if not tried:
            raise
        log.exception("events cannot be applied together; each is tried by itself")
        return sum(_by_itself(register, settings, sequence) for sequence in tried)


def _by_itself(register: Register, settings: Settings, sequence: int) -> int:
    tried: list[int] = []
    try:
        return _apply(register, settings, _chosen(event.c.sequence == sequence), tried)
    except TieoutError as problem:
        _try_later(register, [sequence], problem)
    except Exception as problem:
        log.exception("event %s cannot be applied", sequence)
        with register.writing() as connection:
            _bury(connection, sequence, _unappliable(problem))
        return 1
    return 0


def _apply(register: Register, settings: Settings, chosen: sa.Select[Any], tried: list[int]) -> int:
    with register.writing() as connection:
        if not _alone(connection):
            return 0
        waiting = connection.execute(chosen).all()
        if not waiting:
            return 0
        tried += [row.sequence for row in waiting]
        by_key, poison = _all_of_their_subjects(connection, waiting)
        _write(connection, settings, [fold(key, own) for key, own in by_key.items() if own])
        good = [row for row in waiting if row.sequence not in poison]
        _note_refs(connection, good)
        done = [row.sequence for row in good]
        note_fields(connection, done, now(connection))
        for some in chunks(done):
            connection.execute(
                sa.update(event)
                .where(event.c.sequence.in_(some))
                .values(
                    state="applied",
                    attempts=event.c.attempts + 1,
                    next_try_at=None,
                    problem=None,
                )
            )
        for sequence in poison.keys() & set(tried):
            _bury(connection, sequence, _unappliable(poison[sequence]))
    return len(waiting)


def _alone(connection: Connection) -> bool:
    """Whether nobody else applies just now. SQLite's one writer is alone anyway."""
    if connection.dialect.name != "postgresql":
        return True
    connection.execute(sa.text(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'"))
    return bool(connection.execute(sa.select(sa.func.pg_try_advisory_xact_lock(_APPLIER))).scalar())


def _chosen(*where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Events in state new; in the order of the index that holds them."""
    query = sa.select(*_NEEDED).where(is_waiting(), event.c.state == "new", *where)
    return query.order_by(event.c.next_try_at, event.c.sequence)


def _fresh(most: int) -> sa.Select[Any]:
    return _chosen(event.c.next_try_at.is_(None)).limit(most)


def _any_due(register: Register) -> bool:
    """Read without the write lock, which those who take events in want."""
    due = _chosen(event.c.next_try_at <= datetime.now(UTC)).limit(1)
    with register.reading() as connection:
        return connection.execute(due).first() is not None


def _due(most: int) -> sa.Select[Any]:
    due = event.c.next_try_at <= datetime.now(UTC)
    return _chosen(due, event.c.attempts <= _TOGETHER).limit(most)


def _due_alone(most: int) -> sa.Select[Any]:
    due = event.c.next_try_at <= datetime.now(UTC)
    return _chosen(due, event.c.attempts > _TOGETHER).limit(most)


def _key(row: Row[Any]) -> Key:
    told = row.envelope
    return told["entity"], told["subject_kind"], told["subject_ref"]


def _all_of_their_subjects(
    connection: Connection, waiting: Sequence[Row[Any]]
) -> tuple[dict[Key, list[SubjectEvent]], dict[int, Exception]]:
    """Every event, applied or waiting, of the subjects that are touched; and, by sequence, why some
    are no events one can fold."""
    keys = sorted({_key(row) for row in waiting})
    found: dict[Key, list[SubjectEvent]] = {key: [] for key in keys}
    poison: dict[int, Exception] = {}
    for refs in chunks(sorted({ref for _, _, ref in keys})):
        query = sa.select(*_NEEDED).where(
            event.c.subject_ref.in_(refs), event.c.state.in_(("new", "applied"))
        )
        for row in connection.execute(query):
            if (key := _key(row)) in found:
                try:
                    one = _event(row)
                    fold(key, [one])
                except (ArithmeticError, LookupError, TypeError, ValueError) as problem:
                    poison[row.sequence] = problem
                else:
                    found[key].append(one)
    return found, poison


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
    if not rows:
        return
    connection.execute(upsert(connection, subject, ("entity", "kind", "ref")), rows)
    expected = [row for one in subjects for row in _expected(settings, one)]
    _forget(connection, [one.key for one in subjects], expected)
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


def _forget(
    connection: Connection, keys: Sequence[Key], expected: Sequence[Mapping[str, Any]]
) -> None:
    """Take back what is expected no more: an earlier event came, by a feed that expects less."""
    e = expectation.c
    still = {(row["entity"], row["kind"], row["ref"], row["what"]) for row in expected}
    gone: dict[tuple[str, str, str], list[str]] = {}
    for entity, kind, ref in keys:
        for what in WHATS:
            if (entity, kind, ref, what) not in still:
                gone.setdefault((entity, kind, what), []).append(ref)
    # One entity and kind at a time: SQLite finds no tuple by its index, and would read them all.
    for (entity, kind, what), refs in gone.items():
        for some in chunks(refs):
            connection.execute(
                sa.delete(expectation).where(
                    *(e.entity == entity, e.kind == kind, e.ref.in_(some)),
                    *(e.what == what, e.state != "met"),
                )
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


def _unappliable(problem: Exception) -> Problem:
    told = f"it cannot be applied: {type(problem).__name__}: {problem}"[:500]
    return Problem("business", "unappliable", told, "discard it, or replay it after an update")


def _bury(connection: Connection, sequence: int, problem: Problem) -> None:
    connection.execute(
        sa.update(event)
        .where(event.c.sequence == sequence)
        .values(
            state="dead",
            attempts=event.c.attempts + 1,
            next_try_at=None,
            problem=problem.as_json(),
        )
    )


def _try_later(register: Register, sequences: Sequence[int], problem: TieoutError) -> None:
    """Note a failure that may pass, and when each of the events is tried again."""
    told = Problem("transient", _code(problem.problem), problem.problem, "replay it once it passed")
    with register.writing() as connection:
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
            wait = timedelta(seconds=random.uniform(_LEAST_WAIT, longest))  # noqa: S311 - jitter, no secret
            connection.execute(
                sa.update(event)
                .where(event.c.sequence == sequence)
                .values(
                    attempts=attempts + 1,
                    next_try_at=datetime.now(UTC) + wait,
                    problem=told.as_json(),
                )
            )


def _code(said: str) -> str:
    if "lock" in said:
        return "lock"
    return "timeout" if "timeout" in said else "database"
