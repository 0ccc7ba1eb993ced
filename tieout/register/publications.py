"""Publishing and reading heads: what happens inside the register's transactions.

Locks are always taken in order of (table, partition), so two publishers cannot block each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tieout.errors import FencedError, TieoutError
from tieout.register.audited import about
from tieout.register.chain import append
from tieout.register.prunetables import prune, pruned
from tieout.register.records import (
    NewPublication,
    Publication,
    StoredFile,
    checked_key,
    checked_table,
    checked_totals,
)
from tieout.register.schema import fence, head, publication
from tieout.register.statements import chunks, insert, upsert

Key = tuple[str, str]


def check(
    new: Sequence[NewPublication], epochs: Mapping[Key, int], under: Key | None = None
) -> None:
    """Refuse names, totals and files that may not be published, before any lock is taken.

    Raises TieoutError.
    """
    if under is not None and under not in epochs:
        raise TieoutError(f"no epoch was taken for {_name(under)}", "call take_epochs first")
    seen: set[Key] = set()
    for one in new:
        key = (checked_table(one.table), checked_key(one.partition))
        if key in seen:
            raise TieoutError(f"{_name(key)} is published twice at once", "publish it once")
        if key not in epochs and under is None:
            raise TieoutError(f"no epoch was taken for {_name(key)}", "call take_epochs first")
        if one.rows != sum(file.rows for file in one.files):
            raise TieoutError(f"{_name(key)}: {one.rows} rows, but its files hold others")
        checked_totals(one.totals)
        seen.add(key)


def take_epochs(
    connection: Connection, table: str, partitions: Sequence[str], run_id: str, now: datetime
) -> dict[str, int]:
    """Raise the epoch of each partition (sorted, without repeats) and hand it to the run."""
    taken: dict[str, int] = {}
    for some in chunks(partitions):
        statement = insert(connection, fence).values(
            [
                {"table_name": table, "partition": p, "epoch": 1, "run_id": run_id, "taken_at": now}
                for p in some
            ]
        )
        changed = {
            "epoch": fence.c.epoch + 1,
            "run_id": statement.excluded.run_id,
            "taken_at": statement.excluded.taken_at,
        }
        statement = statement.on_conflict_do_update(
            index_elements=["table_name", "partition"], set_=changed
        ).returning(fence.c.partition, fence.c.epoch)
        taken.update((p, epoch) for p, epoch in connection.execute(statement))
    return {p: taken[p] for p in partitions}


def publish(
    connection: Connection,
    new: Sequence[NewPublication],
    epochs: Mapping[Key, int],
    run_id: str,
    clock: Callable[[Connection], datetime],
    under: Key | None = None,
) -> list[Publication]:
    """Check the fences, append the publications, move the heads. `check` has been called."""
    if not new:
        return []
    keys = sorted((one.table, one.partition) for one in new)
    own = {key: epochs[key if key in epochs or under is None else under] for key in keys}
    fenced = {key for key in keys if key in epochs} | ({under} if under else set())
    _check_fences(connection, sorted(fenced), epochs)
    before = _newest(connection, keys)
    # A clock set back must not put a version before the one it replaces: reads as of a moment would
    # then go back and forth.
    moment = max([clock(connection), *(at for _, at in before.values())])
    made = [
        Publication(
            table=one.table,
            partition=one.partition,
            files=tuple(one.files),
            rows=one.rows,
            totals=dict(one.totals),
            version=before.get((one.table, one.partition), (0, moment))[0] + 1,
            epoch=own[(one.table, one.partition)],
            run_id=run_id,
            published_at=moment,
        )
        for one in new
    ]
    for some in chunks(made):
        connection.execute(sa.insert(publication), [_row(p) for p in some])
    move = upsert(connection, head, ("table_name", "partition"))
    for some in chunks(made):
        rows = [
            {"table_name": p.table, "partition": p.partition, "version": p.version} for p in some
        ]
        connection.execute(move, rows)
    append(connection, "publication", [about("publication", _row(p)) for p in made], moment)
    return made


def versions(connection: Connection, wanted: Mapping[Key, int]) -> list[Publication]:
    """Past or present publications by (table, partition) and version, in that order."""
    found: list[Publication] = []
    for table, some in _by_table(sorted(wanted)):
        statement = sa.select(publication).where(
            publication.c.table_name == table,
            publication.c.partition.in_(some),
            publication.c.version.in_({wanted[(table, partition)] for partition in some}),
        )
        rows = [_publication(row) for row in connection.execute(statement).mappings()]
        found += [p for p in rows if wanted[(table, p.partition)] == p.version]
    return sorted(found, key=lambda p: (p.table, p.partition))


def history(
    connection: Connection, table: str, partitions: Sequence[str] | None
) -> list[Publication]:
    """Every version kept of partitions (None: of all), by moment, then by partition."""
    c = publication.c
    gone = sa.exists().where(
        pruned.c.table_name == c.table_name,
        pruned.c.partition == c.partition,
        pruned.c.version == c.version,
    )
    statement = sa.select(publication).where(c.table_name == table, ~gone)
    wanted = [statement]
    if partitions is not None:
        some_of = chunks(sorted(set(partitions)))
        wanted = [statement.where(publication.c.partition.in_(some)) for some in some_of]
    found = [_publication(row) for one in wanted for row in connection.execute(one).mappings()]
    return sorted(found, key=lambda p: (p.published_at, p.partition, p.version))


def tables(connection: Connection, prefix: str, as_of: datetime | None) -> list[str]:
    """Names of the published tables that start with a prefix, sorted; as of a moment or now."""
    names = head.c.table_name if as_of is None else publication.c.table_name
    start = sa.func.substr(names, 1, len(prefix))
    statement = sa.select(names).where(start == prefix).distinct()
    if as_of is not None:
        statement = statement.where(publication.c.published_at <= as_of)
    return sorted(connection.execute(statement).scalars())


def _check_fences(connection: Connection, keys: Sequence[Key], epochs: Mapping[Key, int]) -> None:
    """Lock the fences to the end of the transaction, and compare the epochs."""
    current: dict[Key, tuple[int, str]] = {}
    for table, some in _by_table(keys):
        statement = (
            sa.select(fence.c.partition, fence.c.epoch, fence.c.run_id)
            .where(fence.c.table_name == table, fence.c.partition.in_(some))
            .order_by(fence.c.partition)
            .with_for_update()
        )
        for partition, epoch, run in connection.execute(statement):
            current[(table, partition)] = (epoch, run)
    for key in keys:
        epoch, run = current.get(key, (0, ""))
        if epoch > epochs[key]:
            raise FencedError(
                f"run {run} has taken over with epoch {epoch}; this writer has epoch {epochs[key]} "
                "and publishes nothing",
                "run again when the newer run has ended; nothing is lost",
                _name(key),
            )
        if epoch < epochs[key]:
            raise TieoutError(f"epoch {epochs[key]} was never given out", "", _name(key))


def _newest(connection: Connection, keys: Sequence[Key]) -> dict[Key, tuple[int, datetime]]:
    """Version and moment of the current heads."""
    found: dict[Key, tuple[int, datetime]] = {}
    for table, some in _by_table(keys):
        statement = (
            sa.select(head.c.partition, head.c.version, publication.c.published_at)
            .join_from(head, publication)
            .where(head.c.table_name == table, head.c.partition.in_(some))
        )
        for partition, version, moment in connection.execute(statement):
            found[(table, partition)] = (version, moment)
    return found


def _by_table(keys: Sequence[Key]) -> Iterator[tuple[str, Sequence[str]]]:
    for table, group in groupby(keys, key=lambda key: key[0]):
        for some in chunks([partition for _, partition in group]):
            yield table, some


def _row(p: Publication) -> dict[str, Any]:
    return {
        "table_name": p.table,
        "partition": p.partition,
        "version": p.version,
        "epoch": p.epoch,
        "run_id": p.run_id,
        "published_at": p.published_at,
        "files": [asdict(file) for file in p.files],
        "row_count": p.rows,
        "totals": p.totals,
    }


def _publication(row: Any) -> Publication:
    return Publication(
        table=row["table_name"],
        partition=row["partition"],
        files=tuple(StoredFile(**file) for file in row["files"]),
        rows=row["row_count"],
        totals=row["totals"],
        version=row["version"],
        epoch=row["epoch"],
        run_id=row["run_id"],
        published_at=row["published_at"],
    )


def _name(key: Key) -> str:
    return f"{key[0]} of {key[1]}"


def gone_at(connection: Connection, moment: datetime) -> datetime | None:
    """When a version was taken away that readers got at a moment; None where all are kept."""
    c = pruned.c
    query = (
        sa.select(sa.func.max(prune.c.pruned_at))
        .join_from(pruned, prune, c.prune_id == prune.c.id)
        .where(c.published_at <= moment, c.superseded_at > moment)
    )
    return connection.execute(query).scalar()
