"""Which fields a sender's events have: noted the first time each is seen, by type and version.

That is how a change of a sender's schema is seen before it hurts: a field nobody knew, a type or a
version that was not there, a field that stopped coming.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tieout.events.mapping import loads
from tieout.register.eventtables import event, event_field
from tieout.register.statements import chunks, insert

MOST_FIELDS = 500
"""Fields looked at in one event."""
_DEEPEST = 6
_Field = tuple[str, str, str, str]


def note_fields(connection: Connection, sequences: Sequence[int], at: datetime) -> None:
    """Note the fields of events that are new for their feed, type and version."""
    first: dict[_Field, int] = {}
    for row in _rows(connection, sequences):
        kind = (row.feed, row.envelope["source_type"], row.envelope["version"] or "")
        for path in paths_of(row.body):
            first.setdefault((*kind, path), row.sequence)
    known = _known(connection, {one[:3] for one in first})
    new = [
        {
            "feed": feed,
            "source_type": source_type,
            "version": version,
            "path": path,
            "first_sequence": sequence,
            "first_at": at,
        }
        for (feed, source_type, version, path), sequence in sorted(first.items())
        if (feed, source_type, version, path) not in known
    ]
    for some in chunks(new):
        connection.execute(insert(connection, event_field).on_conflict_do_nothing(), some)


def paths_of(body: bytes) -> list[str]:
    """The dotted paths of an event's values, sorted; items of lists share one, written `[]`."""
    try:
        document = loads(body)
    except ValueError:
        return []
    found = set()
    for path in _walk(document, "", 0):
        found.add(path[:255])
        if len(found) >= MOST_FIELDS:
            break
    return sorted(found)


def _walk(value: Any, path: str, depth: int) -> Iterator[str]:
    if depth < _DEEPEST and isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _walk(inner, f"{path}.{name}" if path else str(name), depth + 1)
    elif depth < _DEEPEST and isinstance(value, list):
        for inner in value:
            yield from _walk(inner, f"{path}[]", depth + 1)
    elif path:
        yield path


def _rows(connection: Connection, sequences: Sequence[int]) -> Iterator[Any]:
    columns = (event.c.sequence, event.c.feed, event.c.envelope, event.c.body)
    for some in chunks(sequences):
        query = sa.select(*columns).where(event.c.sequence.in_(some))
        yield from connection.execute(query.order_by(event.c.sequence))


def _known(connection: Connection, kinds: set[tuple[str, str, str]]) -> set[_Field]:
    c = event_field.c
    found: set[_Field] = set()
    for some in chunks(sorted(kinds)):
        query = sa.select(c.feed, c.source_type, c.version, c.path).where(
            sa.tuple_(c.feed, c.source_type, c.version).in_(some)
        )
        found |= {
            (row.feed, row.source_type, row.version, row.path) for row in connection.execute(query)
        }
    return found
