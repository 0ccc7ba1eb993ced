"""The inbox as extracts: the events of each window, by when their senders say they happened.

An export is a function of the set of events: the same events give the same bytes, in whatever order
and however often they came. Its control totals are counted by a query of their own, so that what
the export lost would show.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tieout.durable import NewFile
from tieout.errors import ExtractError
from tieout.events.model import EventState
from tieout.periods import window_day, window_end, window_start, windows_between
from tieout.register.eventtables import event
from tieout.register.records import TakenExtract
from tieout.settings import Settings
from tieout.workplace import Workplace

EXPORTED: tuple[EventState, ...] = ("new", "applied", "dead")
"""An ignored event means nothing here; one discarded was taken out by a person."""
REFS: Mapping[str, str] = {
    "document": "document_ref",
    "customer": "customer_ref",
    "subscription": "subscription_ref",
    "invoice": "invoice_ref",
    "payment": "payment_ref",
    "payout": "settlement_batch",
}
"""Kind of reference -> the column of an event line that has it."""
_PORTION = 10_000
_KEY = re.compile(r"(?!h:)[A-Za-z0-9_.:-]{1,128}")
_PLAIN = ("event_id", "source", "type", "occurred_at", "received_at", "entity", "subject_ref")
_COLUMNS = (
    *_PLAIN,
    *REFS.values(),
    *("currency", "amount", "correlation_id", "problem"),
)
_SCHEMA = pa.schema([(name, pa.string()) for name in _COLUMNS])


def exported(
    workplace: Workplace,
    feed: str,
    windows: Sequence[str] | None,
    *,
    progress: Callable[[int, int], None] | None = None,
    now: datetime | None = None,
) -> Iterator[TakenExtract]:
    """One extract for each window of an inbox that has begun (None: all since the calendar's
    start), also where no event is of it: an inbox without events is an answer too.

    Raises ExtractError for a window with more than limits.extract_mb.
    """
    at = now or datetime.now(UTC)
    wanted = begun(workplace.settings, feed, windows, at)
    for number, window in enumerate(wanted, 1):
        yield _export(workplace, feed, window, at)
        if progress is not None:
            progress(number, len(wanted))


def begun(settings: Settings, feed: str, windows: Sequence[str] | None, now: datetime) -> list[str]:
    """Windows since the calendar's start that have begun by now. Sorted."""
    every, start = settings.feeds[feed].every, settings.calendar.start
    keys = windows_between(start, now.date(), every) if windows is None else windows
    return sorted({w for w in keys if window_day(w) >= start and window_start(w) <= now})


def line_id(event_id: str) -> str:
    """An event's id as the id of its line: itself where it can be a key, else its fingerprint."""
    if _KEY.fullmatch(event_id):
        return event_id
    return f"h:{hashlib.sha256(event_id.encode()).hexdigest()[:32]}"


def _export(workplace: Workplace, feed: str, window: str, now: datetime) -> TakenExtract:
    most = workplace.settings.limits.extract_mb << 20
    # One transaction: the events and what is counted of them are of one moment.
    with workplace.register.reading() as connection:
        with workplace.store.evidence(".parquet") as incoming:
            _write(connection, workplace.settings, (feed, window), incoming.file, most)
        manifest = _counted(connection, workplace.settings, feed, window)
    manifest["inbox"]["complete"] = window_end(window) <= now
    sha256, size, evidence = incoming.kept
    return TakenExtract(
        feed=feed,
        window=window,
        name=f"{feed}.parquet",
        sha256=sha256,
        bytes=size,
        evidence=evidence,
        taken_at=datetime.now(UTC),
        manifest=manifest,
    )


def _of_window(feed: str, window: str) -> tuple[sa.ColumnElement[bool], ...]:
    at = event.c.occurred_at
    return (event.c.feed == feed, at >= window_start(window), at < window_end(window))


def _write(
    connection: Connection, settings: Settings, of: tuple[str, str], out: NewFile, most: int
) -> None:
    ident: sa.ColumnElement[Any] = event.c.event_id
    if connection.dialect.name == "postgresql":
        # By bytes, as SQLite compares: the two do not agree on the order of letters.
        ident = sa.collate(ident, "C")
    c = event.c
    query = (
        sa.select(c.event_id, c.occurred_at, c.received_at, c.state, c.envelope, c.problem)
        .where(*_of_window(*of), c.state.in_(EXPORTED))
        .order_by(c.occurred_at, ident)
    )
    answer = connection.execute(query, execution_options={"yield_per": _PORTION})
    with pq.ParquetWriter(out, _SCHEMA, compression="zstd") as writer:
        for portion in answer.partitions():
            rows = [_row(settings, of[0], row) for row in portion]
            writer.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA))
            if out.bytes > most:
                raise ExtractError(
                    f"its events are more than {most >> 20} MB (limits.extract_mb)",
                    "raise the limit if they are meant to be this many, or take hours",
                    f"feed {of[0]}, window {of[1]}",
                )


def _row(settings: Settings, feed: str, row: Any) -> dict[str, str | None]:
    told, refs = row.envelope, row.envelope["refs"]
    return {
        "event_id": line_id(row.event_id),
        "source": feed,
        "type": told["type"] or told["source_type"],
        "occurred_at": _moment(row.occurred_at),
        "received_at": _moment(row.received_at),
        "entity": told["entity"],
        "subject_ref": told["subject_ref"],
        **{column: refs.get(kind) for kind, column in REFS.items()},
        "currency": _currency(settings, told["entity"], told["currency"]),
        "amount": told["amount"],
        "correlation_id": told["correlation_id"],
        "problem": _problem(row.state, row.problem),
    }


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S.%f}"


def _currency(settings: Settings, entity: str | None, currency: str | None) -> str | None:
    """An event that moves no money has 0 in the currency of its entity's books."""
    known = settings.entities.get(entity or "")
    return currency or (known.currency if known else None)


def _problem(state: str, problem: Mapping[str, Any] | None) -> str | None:
    """Why an event is no line. What kept it from the live state alone is no fault of its own."""
    if state != "dead" or problem is None or problem["class"] == "transient":
        return None
    return f"{problem['code']}: {problem['reason']} -> {problem['remedy']}"


@dataclass
class _Count:
    """What the inbox holds of a window, by the figures its statements need."""

    totals: dict[tuple[str | None, str], Decimal] = field(default_factory=dict)
    numbers: dict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    events: int = 0
    rows: int = 0
    dead: int = 0
    last: datetime | None = None


def _counted(connection: Connection, settings: Settings, feed: str, window: str) -> dict[str, Any]:
    """The manifest of an export: rows and totals of what is exported, and under `inbox` what the
    window holds: events, the last one's moment, dead letters, the sender's numbers as ranges.
    """
    c, told = event.c, event.c.envelope
    words = ("entity", "currency", "amount", "account", "sequence")
    query = sa.select(c.state, c.occurred_at, *(told[w].as_string().label(w) for w in words))
    found = _Count()
    rows = connection.execute(
        query.where(*_of_window(feed, window)), execution_options={"yield_per": _PORTION}
    )
    for row in rows:
        found.events += 1
        found.last = max(found.last or row.occurred_at, row.occurred_at)
        if row.sequence is not None:
            found.numbers[row.account or feed][int(row.sequence)] = row.entity or ""
        if row.state in EXPORTED:
            found.rows += 1
            found.dead += row.state == "dead"
            currency = _currency(settings, row.entity, row.currency)
            if currency is not None:
                # As the lines have it: where an event names no entity, it is the feed's.
                key = (row.entity or settings.feeds[feed].entity, currency)
                amount = Decimal(row.amount or 0)
                found.totals[key] = found.totals.get(key, Decimal(0)) + amount
    return _manifest(found)


def _manifest(found: _Count) -> dict[str, Any]:
    totals: dict[str, Decimal] = {}
    by_entity: dict[str, dict[str, str]] = {}
    for (entity, currency), amount in sorted(found.totals.items(), key=str):
        totals[currency] = totals.get(currency, Decimal(0)) + amount
        if entity is not None:
            by_entity.setdefault(entity, {})[currency] = f"{amount:f}"
    return {
        "rows": found.rows,
        "totals": {currency: f"{amount:f}" for currency, amount in totals.items()},
        "by_entity": by_entity,
        "inbox": {
            "events": found.events,
            "last": None if found.last is None else found.last.isoformat(),
            "dead": found.dead,
            "numbers": {a: _ranges(seen) for a, seen in sorted(found.numbers.items())},
        },
    }


def _ranges(seen: Mapping[int, str]) -> list[list[object]]:
    """Numbers without a gap as [first, last, entity of the first]."""
    found: list[list[Any]] = []
    for number in sorted(seen):
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number, seen[number]])
    return found
