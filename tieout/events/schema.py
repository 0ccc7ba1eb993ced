"""What changed in the senders' schemas: told from the fields that events had, and have."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tieout.events.fields import paths_of
from tieout.register.eventtables import event, event_field, is_waiting
from tieout.register.register import Register

LATEST = 50
"""Events of a type that are looked at for a field that stopped coming."""
_LOOKED_THROUGH = 5_000
_Kind = tuple[str, str, str]
_UNREAD = {"unmapped_type": "unmapped type", "unknown_version": "unknown version"}


def changes(
    register: Register, *, days: int, feed: str | None = None, now: datetime | None = None
) -> list[dict[str, Any]]:
    """What is new in the last days, and what is gone, as JSON; the newest first.

    `what`: new type, new version (of a known type), new field (of a known type and version), gone
    field (none of the last LATEST events of its type has it); and, however old, unmapped type and
    unknown version of events that wait for a person. A type that is seen for the first time is one
    row, not one for each field; so is a version. A feed's own first day is no change.
    """
    since = (now or datetime.now(UTC)) - timedelta(days=days)
    with register.reading() as connection:
        fields = _fields(connection, feed)
        recent = _recent(connection, feed)
        waiting = _waiting(connection, feed)
    found = [*_new(fields, since), *_gone(fields, recent), *waiting]
    return sorted(found, key=lambda one: (one["since"], one["path"]), reverse=True)


def _fields(connection: Connection, feed: str | None) -> dict[_Kind, dict[str, datetime]]:
    query = sa.select(event_field)
    if feed is not None:
        query = query.where(event_field.c.feed == feed)
    found: dict[_Kind, dict[str, datetime]] = defaultdict(dict)
    for row in connection.execute(query):
        found[row.feed, row.source_type, row.version][row.path] = row.first_at
    return found


def _new(fields: dict[_Kind, dict[str, datetime]], since: datetime) -> list[dict[str, Any]]:
    first_of_feed: dict[str, datetime] = {}
    first_of_type: dict[tuple[str, str], datetime] = {}
    for (feed, source_type, _), paths in fields.items():
        first = min(paths.values())
        first_of_feed[feed] = min(first, first_of_feed.get(feed, first))
        of_type = (feed, source_type)
        first_of_type[of_type] = min(first, first_of_type.get(of_type, first))
    found = []
    for (feed, source_type, version), paths in fields.items():
        kind, begun = (feed, source_type, version), min(paths.values())
        if begun >= since and begun > first_of_feed[feed]:
            known = begun > first_of_type[feed, source_type]
            found.append(_told("new version" if known else "new type", kind, "", begun))
        found += [
            _told("new field", kind, path, at)
            for path, at in paths.items()
            if at >= since and at > begun
        ]
    return found


def _gone(
    fields: dict[_Kind, dict[str, datetime]], recent: dict[_Kind, list[tuple[datetime, set[str]]]]
) -> list[dict[str, Any]]:
    found = []
    for kind, latest in recent.items():
        if len(latest) < LATEST:
            continue
        there = set().union(*(paths for _, paths in latest))
        oldest = min(at for at, _ in latest)
        found += [
            _told("gone field", kind, path, oldest)
            for path in fields.get(kind, {})
            if path not in there
        ]
    return found


def _recent(
    connection: Connection, feed: str | None
) -> dict[_Kind, list[tuple[datetime, set[str]]]]:
    """Fields of the latest events of each type and version."""
    columns = (event.c.feed, event.c.envelope, event.c.body, event.c.received_at)
    query = sa.select(*columns).order_by(event.c.sequence.desc()).limit(_LOOKED_THROUGH)
    if feed is not None:
        query = query.where(event.c.feed == feed)
    found: dict[_Kind, list[tuple[datetime, set[str]]]] = defaultdict(list)
    for row in connection.execute(query):
        kind = (row.feed, row.envelope["source_type"], row.envelope["version"] or "")
        if len(found[kind]) < LATEST:
            found[kind].append((row.received_at, set(paths_of(row.body))))
    return found


def _waiting(connection: Connection, feed: str | None) -> list[dict[str, Any]]:
    """Types and versions in the dead letters: they are not applied, so that their fields are not
    noted."""
    c = event.c
    code = c.problem["code"].as_string()
    columns = (c.feed, c.envelope, c.received_at, code.label("code"))
    query = sa.select(*columns).where(is_waiting(), c.state == "dead", code.in_(list(_UNREAD)))
    if feed is not None:
        query = query.where(c.feed == feed)
    first: dict[tuple[str, _Kind], datetime] = {}
    for row in connection.execute(query):
        kind = (row.feed, row.envelope["source_type"], row.envelope["version"] or "")
        key = (_UNREAD[row.code], kind)
        first[key] = min(row.received_at, first.get(key, row.received_at))
    return [_told(what, kind, "", at) for (what, kind), at in first.items()]


def _told(what: str, kind: _Kind, path: str, since: datetime) -> dict[str, Any]:
    feed, source_type, version = kind
    return {
        "what": what,
        "feed": feed,
        "source_type": source_type,
        "version": version,
        "path": path,
        "since": since.isoformat(),
    }
