"""The register: publications, their heads and fences, and the extracts taken in.

Every writing method is one transaction: all of it is there afterwards, or nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine

from tieout.connections import shown
from tieout.errors import RequestError, TieoutError
from tieout.register import database, decisions, extracts, publications
from tieout.register.decisions import Decision, NewDecision
from tieout.register.heads import Heads
from tieout.register.records import (
    NewPublication,
    Publication,
    TakenExtract,
    checked_key,
    checked_table,
)
from tieout.register.schema import consumption, note
from tieout.register.statements import chunks, upsert


class Register:
    """One database, SQLite or PostgreSQL. Use from any number of threads and processes."""

    def __init__(self, engine: Engine) -> None:
        self._readers = engine
        self._writers = engine.execution_options(writes=True)
        self._heads = Heads()

    @classmethod
    def open(cls, url: str | URL) -> Register:
        """Open a register and bring its schema up to date; a new SQLite file is created.

        Raises ConfigurationError for a URL of no use, TieoutError when the database cannot be
        reached (within seconds); neither shows the password.
        """
        address = database.register_url(url)
        engine = database.open_engine(address)
        try:
            with database.clear_errors(address, "open"):
                database.prepare(engine)
        except TieoutError:
            engine.dispose()
            raise
        return cls(engine)

    def close(self) -> None:
        """Give the connections back."""
        self._readers.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Register({shown(self._readers.url)!r})"

    @property
    def moment(self) -> datetime | None:
        """The past moment that reads are as of; None for what is known now."""
        return None

    def known_at(self, moment: datetime) -> Register:
        """The same database as it was known at a past moment, read only; UTC.

        The last second may still change. Raises RequestError for a moment without a zone, one that
        has not been yet, and one of which not everything is kept any more.
        """
        from tieout.register.past import PastRegister  # it is a register itself

        if moment.tzinfo is None:
            raise RequestError(f"{moment} has no time zone", "give the moment in UTC")
        with self.reading() as connection:
            current = now(connection)
            gone = publications.gone_at(connection, moment)
        if gone is not None:
            raise RequestError(
                f"what was known at {moment:%Y-%m-%d %H:%M:%S} UTC is not all kept: "
                f"`tieout prune` took versions of then away on {gone:%Y-%m-%d}",
                "ask about a later moment, or one at which a month was signed",
            )
        if moment > current:
            raise RequestError(
                f"{moment.isoformat()} has not been yet; it is {current:%Y-%m-%d %H:%M:%S} UTC",
                "give a past moment",
            )
        return PastRegister(self._readers, moment.astimezone(UTC), self._heads)

    # Publications

    def take_epochs(self, table: str, partitions: Sequence[str], run_id: str) -> dict[str, int]:
        """Take over partitions for a run: each one's next epoch, by partition.

        From here on a writer with an older epoch is refused, however late it comes.
        """
        taken = self.take_epochs_of([table], partitions, run_id)
        return {partition: epoch for (_, partition), epoch in taken.items()}

    def take_epochs_of(
        self, tables: Sequence[str], partitions: Sequence[str], run_id: str
    ) -> dict[tuple[str, str], int]:
        """The same in several tables that are published together, by (table, partition).

        All in one transaction: of two runs that take the same ones at once, one has the newest
        epoch in every table. Had each the newest in some, neither could publish.
        """
        checked_key(run_id, "run")
        wanted = sorted({checked_key(p) for p in partitions})
        if not wanted:
            return {}
        with self.writing() as connection:
            moment = now(connection)
            return {
                (table, partition): epoch
                for table in sorted({checked_table(t) for t in tables})
                for partition, epoch in publications.take_epochs(
                    connection, table, wanted, run_id, moment
                ).items()
            }

    def publish(
        self,
        new: Sequence[NewPublication],
        epochs: Mapping[tuple[str, str], int],
        *,
        run_id: str,
        under: tuple[str, str] | None = None,
        consumer: str | None = None,
        consumed: Mapping[tuple[str, str], int] | None = None,
    ) -> list[Publication]:
        """Publish the next version of every partition given, in one transaction, in that order.

        `epochs` holds the writer's epoch by (table, partition); the one named by `under` stands
        for every partition without one of its own. `consumed`, version by (table, partition), is
        noted for `consumer` in the same transaction.

        Raises FencedError, and publishes nothing, when another run has taken over any of them.
        """
        checked_key(run_id, "run")
        publications.check(new, epochs, under)
        if consumed and consumer is None:
            raise TieoutError("versions were consumed by nobody", "name the consumer")
        if not new and not consumed:
            return []
        with self.writing() as connection:
            made = publications.publish(connection, new, epochs, run_id, now, under)
            if consumer is not None and consumed:
                self._consume(connection, checked_table(consumer), consumed)
        return made

    def heads(
        self,
        table: str,
        partitions: Sequence[str] | None = None,
        *,
        as_of: datetime | None = None,
    ) -> dict[str, Publication]:
        """What readers get: the newest publication by partition, in order of partition.

        `partitions` None means all; those without a publication are left out. `as_of` gives
        what was the newest at that past moment (aware; the last second may still change).
        """
        checked_table(table)
        if as_of is not None and as_of.tzinfo is None:
            raise TieoutError(f"{as_of} has no time zone", "give the moment in UTC")
        with self.reading() as connection:
            return self._heads.of(connection, table, partitions, as_of)

    def versions(self, wanted: Mapping[tuple[str, str], int]) -> list[Publication]:
        """Publications of given versions, by (table, partition), in that order."""
        with self.reading() as connection:
            return publications.versions(connection, wanted)

    def history(self, table: str, partitions: Sequence[str] | None = None) -> list[Publication]:
        """Every version kept of partitions (None: of all), by moment, then by partition."""
        checked_table(table)
        with self.reading() as connection:
            return publications.history(connection, table, partitions)

    def tables(self, prefix: str = "") -> list[str]:
        """Names of the published tables that start with a prefix, sorted."""
        with self.reading() as connection:
            return publications.tables(connection, prefix, None)

    def consumed(self, consumer: str) -> dict[tuple[str, str], int]:
        """The version of each (table, partition) that a consumer has worked in."""
        c = consumption.c
        statement = sa.select(c.table_name, c.partition, c.version).where(c.consumer == consumer)
        with self.reading() as connection:
            rows = connection.execute(statement).all()
        return {(table, partition): version for table, partition, version in sorted(rows)}

    def forget_consumed(self, consumer: str) -> None:
        """Let a consumer start from the beginning."""
        with self.writing() as connection:
            connection.execute(sa.delete(consumption).where(consumption.c.consumer == consumer))

    def _consume(
        self, connection: Connection, consumer: str, consumed: Mapping[tuple[str, str], int]
    ) -> None:
        statement = upsert(connection, consumption, ("consumer", "table_name", "partition"))
        rows = [
            {"consumer": consumer, "table_name": table, "partition": partition, "version": version}
            for (table, partition), version in sorted(consumed.items())
        ]
        for some in chunks(rows):
            connection.execute(statement, some)

    # Extracts

    def record_extract(self, taken: TakenExtract) -> bool:
        """Record a delivery; False when the window has this very content already.

        The same content under the same or another name is one extract. Other content under a known
        name is its next version; a file put back to what it once was is a next version too.
        """
        return self.record_extracts([taken])[0]

    def record_extracts(self, taken: Sequence[TakenExtract]) -> list[bool]:
        """The same for many, in one transaction: all are recorded, or none."""
        if not taken:
            return []
        with self.writing() as connection:
            return [extracts.record(connection, one) for one in taken]

    def extracts(
        self, feed: str, windows: Sequence[str] | None = None, *, current: bool = True
    ) -> list[TakenExtract]:
        """Deliveries of a feed, by window, name and version.

        `current` gives the newest version of each name in a window only; `windows` None means all.
        """
        with self.reading() as connection:
            return extracts.known(connection, feed, windows, current)

    # Decisions

    def decide(self, new: NewDecision) -> Decision:
        """Record what a person decided; it gets the next number.

        Raises RequestError where what it takes back has been taken back already.
        """
        with self.writing() as connection:
            return decisions.record(connection, new, now)

    def decisions(self, reconciliation: str | None = None) -> list[Decision]:
        """Every decision of a reconciliation (None: of all), in order of their numbers."""
        with self.reading() as connection:
            return decisions.recorded(connection, reconciliation)

    # Notes

    def note(self, kind: str, key: str, value: Mapping[str, Any]) -> None:
        """Remember a small fact, in place of what was known under the same kind and key."""
        checked_table(kind)
        with self.writing() as connection:
            row = {"kind": kind, "key": key, "value": dict(value)}
            connection.execute(upsert(connection, note, ("kind", "key")), row)

    def notes(self, kind: str) -> dict[str, dict[str, Any]]:
        """Everything remembered of a kind, by key, sorted."""
        statement = sa.select(note.c.key, note.c.value).where(note.c.kind == kind)
        with self.reading() as connection:
            rows = connection.execute(statement).all()
        return {row.key: row.value for row in sorted(rows, key=lambda row: str(row.key))}

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction that writes: all of it is there afterwards, or nothing."""
        with (
            database.clear_errors(self._readers.url, "write to"),
            self._writers.begin() as connection,
        ):
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One transaction that reads: everything in it is of one moment."""
        with (
            database.clear_errors(self._readers.url, "read"),
            self._readers.begin() as connection,
        ):
            yield connection


def now(connection: Connection) -> datetime:
    """The time of publications. PostgreSQL's own clock, so that all machines go by one."""
    if connection.dialect.name == "postgresql":
        moment = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
        assert isinstance(moment, datetime)
        return moment.astimezone(UTC)
    return datetime.now(UTC)
