"""Taking away the files of versions that are kept no longer.

The newest version of everything is kept for good, and so is evidence. The register keeps every
row: what is taken away is files, and it says of which versions, when and by which rule. It says so
before a file goes: what was cut off in between is taken away by the next prune.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tieout.locks import as_places
from tieout.periods import month_of
from tieout.register.chain import append, canonical
from tieout.register.closetables import period_lock
from tieout.register.prunetables import prune, pruned
from tieout.register.register import now
from tieout.register.schema import UtcTime, consumption, publication
from tieout.register.statements import chunks
from tieout.workplace import Workplace

Place = tuple[str, str, int]
"""Table, partition and version."""
_DAY = len("2026-10-05")


@dataclass(frozen=True, slots=True)
class Version:
    """A version that may go. `size` is of its files in bytes."""

    table: str
    partition: str
    version: int
    published_at: datetime
    superseded_at: datetime
    size: int

    @property
    def place(self) -> Place:
        """Which version it is."""
        return self.table, self.partition, self.version


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a prune took away: versions, bytes, and the moment before which they were replaced.

    `finished` are versions of an earlier prune that was cut off.
    """

    versions: int
    size: int
    superseded_before: datetime | None
    finished: int

    def as_json(self) -> dict[str, object]:
        """The figures as one JSON object."""
        before = self.superseded_before
        return {
            "versions": self.versions,
            "bytes": self.size,
            "superseded_before": before and before.isoformat(),
            "finished": self.finished,
        }


def prune_versions(workplace: Workplace, *, dry_run: bool = False) -> Pruned:
    """Take away what the configuration keeps no longer; `dry_run` only says what it would be."""
    finished = 0 if dry_run else _delete(workplace)
    days = workplace.settings.retention.superseded_days
    if days is None:
        return Pruned(0, 0, None, finished)
    with workplace.register.reading() as connection:
        at = now(connection)
        before = at - timedelta(days=days)
        found = [*_prunable(workplace, connection, before, at)]
    if found and not dry_run:
        _record(workplace, found, before)
        _delete(workplace)
    return Pruned(len(found), sum(one.size for one in found), before, finished)


def _prunable(
    workplace: Workplace, connection: Connection, before: datetime, at: datetime
) -> Iterator[Version]:
    """Versions replaced before a moment that nothing needs any more."""
    settings = workplace.settings
    open_since = _years_before(at.date(), settings.retention.closed_years)
    kept = _needed(connection, open_since)
    closes = bool(settings.close.people) or _was_ever_locked(connection)
    c = publication.c
    following = sa.type_coerce(
        sa.func.lead(c.published_at).over(
            partition_by=[c.table_name, c.partition], order_by=c.version
        ),
        UtcTime,
    )
    each = sa.select(
        c.table_name, c.partition, c.version, c.published_at, c.files, following.label("next_at")
    ).subquery()
    is_gone = sa.exists().where(
        pruned.c.table_name == each.c.table_name,
        pruned.c.partition == each.c.partition,
        pruned.c.version == each.c.version,
    )
    query = (
        sa.select(each)
        .where(each.c.next_at < before, ~is_gone)
        .order_by(each.c.table_name, each.c.partition, each.c.version)
    )
    for row in connection.execute(query):
        if not row.files:
            continue
        if closes and _month_end(row.partition, row.next_at) >= open_since:
            continue
        place = (row.table_name, row.partition, row.version)
        if place not in kept:
            size = sum(int(one["bytes"]) for one in row.files)
            yield Version(*place, row.published_at, row.next_at, size)


def _needed(connection: Connection, open_since: date) -> set[Place]:
    """Versions that a closed month was signed with, or that a consumer compares the next with."""
    kept: set[Place] = set()
    locked = sa.select(period_lock.c.month, period_lock.c.versions)
    for month, versions in connection.execute(locked):
        if _month_end(f"{month}-01", None) >= open_since:
            kept.update((*place, version) for place, version in as_places(versions).items())
    c = consumption.c
    kept.update(
        (table, partition, version)
        for table, partition, version in connection.execute(
            sa.select(c.table_name, c.partition, c.version)
        )
    )
    return kept


def _was_ever_locked(connection: Connection) -> bool:
    return connection.execute(sa.select(period_lock.c.id).limit(1)).first() is not None


def _month_end(partition: str, otherwise: datetime | None) -> date:
    """The last day of the month that a partition is of; of one without a day, of another moment."""
    try:
        day = date.fromisoformat(partition[:_DAY])
    except ValueError:
        if otherwise is None:
            raise
        day = otherwise.date()
    return month_of(day).last


def _years_before(day: date, years: int) -> date:
    return month_of(date(day.year - years, day.month, 1)).first


def _record(workplace: Workplace, found: Iterable[Version], before: datetime) -> None:
    """Say that versions are kept no longer, with one entry of the audit chain."""
    versions = list(found)
    retention = workplace.settings.retention
    with workplace.register.writing() as connection:
        row: dict[str, Any] = {
            "pruned_at": now(connection),
            "superseded_before": before,
            "rule": retention.model_dump(),
            "versions": len(versions),
            "bytes": sum(one.size for one in versions),
            "versions_sha256": versions_sha256(one.place for one in versions),
        }
        made = connection.execute(sa.insert(prune).values(**row))
        assert made.inserted_primary_key is not None
        row["id"] = int(made.inserted_primary_key[0])
        rows = [
            {
                "table_name": one.table,
                "partition": one.partition,
                "version": one.version,
                "prune_id": row["id"],
                "published_at": one.published_at,
                "superseded_at": one.superseded_at,
                "is_deleted": False,
            }
            for one in versions
        ]
        for some in chunks(rows):
            connection.execute(sa.insert(pruned), list(some))
        append(connection, "prune", [about_prune(row)], row["pruned_at"])


def about_prune(row: Mapping[str, Any]) -> dict[str, Any]:
    """The body of the audit entry for a prune."""
    return {column.name: row[column.name] for column in prune.c}


def versions_sha256(places: Iterable[Place]) -> str:
    """The hash of a list of versions, in any order."""
    lines = sorted(canonical({"place": list(place)}) for place in places)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _delete(workplace: Workplace) -> int:
    """Delete the files of versions that the register says are kept no longer; how many versions."""
    same = sa.and_(
        publication.c.table_name == pruned.c.table_name,
        publication.c.partition == pruned.c.partition,
        publication.c.version == pruned.c.version,
    )
    query = (
        sa.select(pruned.c.prune_id, pruned.c.table_name, pruned.c.partition, publication.c.files)
        .join_from(pruned, publication, same)
        .where(pruned.c.is_deleted.is_(False))
    )
    with workplace.register.reading() as connection:
        waiting = connection.execute(query).all()
    for row in waiting:
        folder = workplace.store.folder(row.table_name, row.partition)
        for file in row.files:
            (folder / file["name"]).unlink(missing_ok=True)
    with workplace.register.writing() as connection:
        for number in sorted({row.prune_id for row in waiting}):
            done = sa.update(pruned).where(pruned.c.prune_id == number)
            connection.execute(done.values(is_deleted=True))
    return len(waiting)
