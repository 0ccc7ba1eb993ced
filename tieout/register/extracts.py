"""Recording the deliveries taken in, and reading them back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tieout.register.records import TakenExtract, checked_key
from tieout.register.schema import extract
from tieout.register.statements import chunks


def record(connection: Connection, taken: TakenExtract) -> bool:
    """Add a delivery unless the window's current extracts hold its content already.

    Content that was replaced and comes back is new again: what counts is what is current.
    """
    checked_key(taken.feed, "feed")
    checked_key(taken.window, "window")
    _one_at_a_time(connection, taken)
    current = {e.name: e for e in known(connection, taken.feed, [taken.window], current=True)}
    if any(e.sha256 == taken.sha256 for e in current.values()):
        return False
    c = extract.c
    versions = sa.select(sa.func.max(c.version)).where(
        c.feed == taken.feed, c.window_key == taken.window, c.name == taken.name
    )
    connection.execute(
        sa.insert(extract).values(
            feed=taken.feed,
            window_key=taken.window,
            name=taken.name,
            version=(connection.execute(versions).scalar() or 0) + 1,
            sha256=taken.sha256,
            bytes=taken.bytes,
            evidence=taken.evidence,
            taken_at=taken.taken_at,
            manifest=taken.manifest,
        )
    )
    return True


def known(
    connection: Connection,
    feed: str,
    windows: Sequence[str] | None,
    current: bool,
    by: datetime | None = None,
) -> list[TakenExtract]:
    """Deliveries of a feed by window, name and version; `current` leaves the replaced ones out.

    `by` leaves out what was taken in after that moment.
    """
    statement = sa.select(extract).where(extract.c.feed == feed)
    if by is not None:
        statement = statement.where(extract.c.taken_at <= by)
    if current:
        later = extract.alias("later")
        replaced = sa.exists().where(
            later.c.feed == extract.c.feed,
            later.c.window_key == extract.c.window_key,
            later.c.name == extract.c.name,
            later.c.version > extract.c.version,
        )
        statement = statement.where(
            ~(replaced if by is None else replaced.where(later.c.taken_at <= by))
        )
    if windows is None:
        rows = list(connection.execute(statement).mappings())
    else:
        rows = [
            row
            for some in chunks(sorted(set(windows)))
            for row in connection.execute(
                statement.where(extract.c.window_key.in_(some))
            ).mappings()
        ]
    # Sorted here: the two databases do not agree on the order of letters.
    rows.sort(key=lambda row: (row["window_key"], row["name"], row["version"]))
    return [_taken(row) for row in rows]


def _one_at_a_time(connection: Connection, taken: TakenExtract) -> None:
    """PostgreSQL has no row to lock before the first delivery; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        digest = hashlib.sha256(f"{taken.feed}/{taken.window}".encode()).digest()
        key = int.from_bytes(digest[:8], "big", signed=True)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def _taken(row: Any) -> TakenExtract:
    return TakenExtract(
        feed=row["feed"],
        window=row["window_key"],
        name=row["name"],
        sha256=row["sha256"],
        bytes=row["bytes"],
        evidence=row["evidence"],
        taken_at=row["taken_at"],
        manifest=row["manifest"],
    )
