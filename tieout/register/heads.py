"""Reading heads: which version of each partition counts, now or as of a moment.

A publication never changes; which one is the head does. So every reading asks the database for
versions alone, which is cheap, and for the publications that it has not read before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tieout.register import publications
from tieout.register.records import Publication
from tieout.register.schema import head, publication
from tieout.register.statements import chunks

MOST_KEPT = 100_000
"""Publications kept in memory, of some two kilobytes each: almost three years of an hourly feed,
with the four tables that each of its windows has."""


class Heads:
    """What has been read so far. Use from any number of threads."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, str, int], Publication] = {}

    def of(
        self,
        connection: Connection,
        table: str,
        partitions: Sequence[str] | None,
        as_of: datetime | None,
    ) -> dict[str, Publication]:
        """The newest publication by partition, in order of partition; None means all of them."""
        current = _versions(connection, table, partitions, as_of)
        found = {p: self._read.get((table, p, version)) for p, version in current.items()}
        lacking = {(table, p): current[p] for p, one in found.items() if one is None}
        read = publications.versions(connection, lacking)
        self._keep(read)
        found.update((one.partition, one) for one in read)
        return {p: one for p, one in sorted(found.items()) if one is not None}

    def _keep(self, read: Sequence[Publication]) -> None:
        if len(self._read) + len(read) > MOST_KEPT:
            self._read.clear()
        kept = read[:MOST_KEPT]
        self._read.update(((one.table, one.partition, one.version), one) for one in kept)


def _versions(
    connection: Connection, table: str, partitions: Sequence[str] | None, as_of: datetime | None
) -> Mapping[str, int]:
    """The version that counts, by partition."""
    if as_of is None:
        columns = head.c
        statement = sa.select(columns.partition, columns.version)
    else:
        # A later version is never published at an earlier moment.
        columns = publication.c
        newest = sa.func.max(columns.version)
        statement = sa.select(columns.partition, newest).group_by(columns.partition)
        statement = statement.where(columns.published_at <= as_of)
    statement = statement.where(columns.table_name == table)
    asked = [statement]
    if partitions is not None:
        some_of = chunks(sorted(set(partitions)))
        asked = [statement.where(columns.partition.in_(some)) for some in some_of]
    return {partition: version for one in asked for partition, version in connection.execute(one)}
