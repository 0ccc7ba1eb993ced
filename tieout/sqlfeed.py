"""A feed that is a query: what a database answers for a window, written down as evidence.

The answer is kept as Parquet in which every value is the database's own, as exact text: numbers as
plain decimals, days and moments (UTC) in ISO form, true and false. From there on it is an extract
like any file. Rows are read in portions, so memory does not grow with their number.

A query has the bound parameters :window_start and :window_end: days (2026-10-05) for a feed of
every day, UTC moments for one of every hour. It names its ORDER BY, down to a unique id: without it
a database may answer the same rows in another order, and one extract would look like two.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, Result

from tieout.connections import CONNECT_SECONDS, database_url, located, shown, without_secrets
from tieout.durable import NewFile
from tieout.errors import ConfigurationError, ExtractError
from tieout.periods import window_end, window_start
from tieout.settings import Feed

PORTION = 10_000
"""Rows held in memory at once; fixed, so that the same answer gives the same bytes."""
MOST_SECONDS = 1_800
"""How long a query may take, where the database can be told (PostgreSQL)."""

_PARAMETERS = {"window_start", "window_end"}
_ORDERED = re.compile(r"\border\s+by\b", re.IGNORECASE)
_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


class UnreachableError(ExtractError):
    """The database itself does not answer, so that asking for the next window is of no use."""


class SqlFeed:
    """The database and the query of one feed. Close it, or use it in a `with`."""

    def __init__(self, name: str, feed: Feed, query: str | None, base: Path) -> None:
        """`query` is the format's own, for a feed without one.

        Raises ConfigurationError: no query, other parameters, no ORDER BY, no such driver.
        """
        self.name, self._feed = name, feed
        assert feed.url is not None, "only a feed with a url is a query"
        self._query = _checked(name, feed.query or query)
        self._url = located(database_url(feed.url), base)
        self._engine = _engine(name, self._url)

    def fetch(self, window: str, out: NewFile, *, most: int = 2 << 30) -> int:
        """Write what the database answers for a window, as Parquet; returns the number of rows.

        Raises ExtractError naming feed and window: a query that fails, a value that is not exact,
        an answer larger than `most` bytes; UnreachableError when the database does not answer.
        Neither shows the password.
        """
        with self._clear_errors(window), self._engine.connect() as connection:
            _read_only(connection)
            streamed = connection.execution_options(stream_results=True, yield_per=PORTION)
            answer = streamed.execute(self._query, self._bounds(window))
            return self._write(answer, window, out, most)

    def close(self) -> None:
        """Give the connection back."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def _bounds(self, window: str) -> dict[str, date | str]:
        """The window as the database compares it: SQLite has text, so bounds must be text alike."""
        edges = {"window_start": window_start(window), "window_end": window_end(window)}
        if self._feed.every == "day":
            days = {name: edge.date() for name, edge in edges.items()}
            return {n: d.isoformat() for n, d in days.items()} if self._is_sqlite else {**days}
        if self._is_sqlite:
            return {name: f"{edge:%Y-%m-%d %H:%M:%S}" for name, edge in edges.items()}
        return {**edges}

    @property
    def _is_sqlite(self) -> bool:
        return self._url.get_backend_name() == "sqlite"

    def _write(self, answer: Result[Any], window: str, out: NewFile, most: int) -> int:
        names = list(answer.keys())
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ExtractError(
                f"the query has two columns named {', '.join(twice)}",
                "name them apart with AS",
                self._where(window),
            )
        schema = pa.schema([(name, pa.string()) for name in names])
        rows = 0
        with pq.ParquetWriter(out, schema, compression="zstd") as writer:
            for portion in answer.partitions(PORTION):
                columns = zip(names, zip(*portion, strict=True), strict=True)
                cells = [pa.array(self._texts(n, c, window), pa.string()) for n, c in columns]
                writer.write_table(pa.Table.from_arrays(cells, schema=schema))
                rows += len(portion)
                if out.bytes > most:
                    raise ExtractError(
                        f"the answer is larger than {most >> 20} MB (limits.extract_mb)",
                        "raise the limit if it is meant to be this large, or take hours",
                        self._where(window),
                    )
        return rows

    def _texts(self, column: str, values: Sequence[Any], window: str) -> Sequence[str | None]:
        """A column's values as text; the values of one type share one way of writing them."""
        kinds = set(map(type, values)) - {type(None)}
        if kinds <= {str}:
            return values
        ways = {kind: _way(kind) for kind in kinds}
        wrong = [kind.__name__ for kind, way in ways.items() if way is None]
        if wrong:
            raise ExtractError(
                f"column {column} holds {', '.join(wrong)} values, which are not exact as text",
                f"cast it in the query: CAST({column} AS NUMERIC), or AS TEXT",
                self._where(window),
            )
        return [None if v is None else ways[type(v)](v) for v in values]  # type: ignore[misc]

    def _where(self, window: str) -> str:
        return f"feed {self.name}, window {window}"

    @contextmanager
    def _clear_errors(self, window: str) -> Iterator[None]:
        try:
            yield
        except sa.exc.DBAPIError as problem:
            said = without_secrets(str(problem.orig), self._url)
            raise _explained(problem, said, self.name, self._url, self._where(window)) from None
        except sqlite3.Error as problem:
            raise ExtractError(
                f"the database cannot be read: {problem}",
                f"check feeds.{self.name}.url",
                self._where(window),
            ) from None
        except sa.exc.SQLAlchemyError as problem:
            said = without_secrets(str(problem), self._url)
            raise ExtractError(
                f"the query failed: {said}",
                f"correct feeds.{self.name}.query",
                self._where(window),
            ) from None


def _checked(name: str, query: str | None) -> sa.TextClause:
    where = f"feeds.{name}.query"
    if query is None:
        raise ConfigurationError(
            "the format has no query of its own", "write one in the feed", where
        )
    statement = sa.text(query)
    parameters = set(statement.compile().params)
    if parameters != _PARAMETERS:
        raise ConfigurationError(
            f"the query has the parameters {', '.join(sorted(parameters)) or 'none'}",
            "use :window_start and :window_end, both and no others; a plain colon is \\:, and a "
            "cast is CAST(:window_start AS date)",
            where,
        )
    if not _ORDERED.search(_COMMENTS.sub(" ", query)):
        raise ConfigurationError(
            "the query has no ORDER BY, so the same rows may come in another order",
            "end it with ORDER BY and a unique id",
            where,
        )
    return statement


def _engine(name: str, url: URL) -> Engine:
    postgres, sqlite = (url.get_backend_name() == kind for kind in ("postgresql", "sqlite"))
    arguments: dict[str, Any] = {}
    if postgres and "connect_timeout" not in url.query:
        arguments["connect_timeout"] = CONNECT_SECONDS
    if sqlite and not Path(str(url.database)).is_file():
        # SQLite would make an empty file, and the query would fail for want of a table.
        raise UnreachableError(
            f"there is no database at {url.database}", f"check feeds.{name}.url", f"feed {name}"
        )
    try:
        return sa.create_engine(
            url, connect_args=arguments, pool_size=1, pool_pre_ping=True, hide_parameters=True
        )
    except (sa.exc.NoSuchModuleError, ImportError):
        raise ConfigurationError(
            f"there is no driver for {url.drivername}",
            "install it beside Tieout, or write postgresql:// or sqlite://",
            f"feeds.{name}.url",
        ) from None
    except (sa.exc.ArgumentError, TypeError):
        raise ConfigurationError(
            f"{shown(url)} cannot be used",
            "see SQLAlchemy's page on this driver's URLs",
            f"feeds.{name}.url",
        ) from None


def _read_only(connection: Connection) -> None:
    """A feed reads. Where the database can be held to it, it is; so is the time a query takes."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SET TRANSACTION READ ONLY"))
        connection.execute(sa.text(f"SET LOCAL statement_timeout = '{MOST_SECONDS}s'"))
        connection.execute(sa.text("SET LOCAL TIME ZONE 'UTC'"))
    elif connection.dialect.name == "sqlite":
        connection.execute(sa.text("PRAGMA query_only = ON"))


def _explained(
    problem: sa.exc.DBAPIError, said: str, name: str, url: URL, where: str
) -> ExtractError:
    if "statement timeout" in said:
        return ExtractError(
            f"the query took longer than {MOST_SECONDS} seconds",
            "add an index for it, or take hours in place of days",
            where,
        )
    lost = problem.connection_invalidated or problem.statement is None
    if isinstance(problem, sa.exc.OperationalError | sa.exc.InterfaceError) and lost:
        return UnreachableError(
            f"the database at {shown(url)} cannot be reached: {said}",
            f"check that it is running, and address, user and password in feeds.{name}.url",
            where,
        )
    return ExtractError(
        f"the query failed: {said}",
        f"correct feeds.{name}.query, or have the database's user allowed to read these tables",
        where,
    )


def _way(kind: type) -> Callable[[Any], str] | None:
    """How values of a type are written down; None where they are not exact."""
    for known, way in _WAYS:
        if issubclass(kind, known):
            return way
    return None


def _moment(value: datetime) -> str:
    """ISO with a blank, in UTC; a moment without a zone is taken as the database gave it."""
    plain = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    return plain.isoformat(" ")


_WAYS: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (str, str),
    (bool, lambda value: "true" if value else "false"),
    (int, str),
    (Decimal, lambda value: f"{value:f}"),  # never 1E+3
    (datetime, _moment),
    ((date, time), lambda value: str(value.isoformat())),
    (UUID, str),
    ((bytes, bytearray, memoryview), lambda value: bytes(value).hex()),
)
