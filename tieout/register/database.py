"""Opening the register's database: URL to engine, settings of either database, schema, errors.

SQLite: WAL with synchronous=FULL, so that a publication which returned survives a power cut;
writers take the one write lock at once (BEGIN IMMEDIATE) and wait for it, never fail half way up.
PostgreSQL: waits for locks are bounded, and a writer that stopped inside a transaction loses it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine

from tieout.connections import CONNECT_SECONDS, database_url, shown, without_secrets
from tieout.errors import ConfigurationError, TieoutError

LOCK_SECONDS = 30
_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 0x7169_656F_7574
REVISION_TABLE = "register_revision"
"""Not Alembic's own name: Dagster keeps that one, and the two may share a database."""
_SESSION = (
    f"SET lock_timeout = '{LOCK_SECONDS}s'",
    "SET idle_in_transaction_session_timeout = '60s'",
    "SET TIME ZONE 'UTC'",
)


def register_url(text: str | URL) -> URL:
    """A URL for the databases a register can live in: a SQLite file, or PostgreSQL.

    Raises ConfigurationError, which never shows the password.
    """
    url = database_url(text)
    kind = url.get_backend_name()
    if kind == "postgresql" or (kind == "sqlite" and url.database not in (None, "", ":memory:")):
        return url
    raise ConfigurationError(
        f"the register cannot live at {shown(url)}",
        "use a SQLite file (sqlite:////path/register.db) or PostgreSQL (postgresql://...)",
    )


def open_engine(url: URL) -> Engine:
    """An engine with the settings above. Nothing is connected yet."""
    if url.get_backend_name() == "postgresql":
        timeouts = {} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_SECONDS}
        engine = sa.create_engine(
            url,
            connect_args=timeouts,
            pool_pre_ping=True,
            pool_timeout=LOCK_SECONDS,
            hide_parameters=True,
        )
        sa.event.listen(engine, "connect", _bound_waiting)
        return engine
    engine = sa.create_engine(
        url,
        connect_args={"timeout": LOCK_SECONDS},
        pool_timeout=LOCK_SECONDS,
        hide_parameters=True,
    )
    sa.event.listen(engine, "connect", _make_durable)
    sa.event.listen(engine, "begin", _begin)
    return engine


def _bound_waiting(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        for statement in _SESSION:
            cursor.execute(statement)
    connection.commit()


def _make_durable(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun by _begin, not by the driver
    for setting in (f"busy_timeout={LOCK_SECONDS * 1000}", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {setting}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def clear_errors(url: URL, doing: str) -> Iterator[None]:
    """Turn what a driver raises into a TieoutError with a remedy and without the password."""
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as problem:
        cause = getattr(problem, "orig", None) or problem
        raise TieoutError(
            f"cannot {doing} the register at {shown(url)}: {without_secrets(str(cause), url)}",
            _remedy(url, str(cause)),
        ) from None
    except (sa.exc.DatabaseError, sqlite3.Error, psycopg.Error) as problem:
        # The drivers' own errors come bare from what runs when a connection is made.
        cause = getattr(problem, "orig", problem)
        raise TieoutError(
            f"cannot {doing} the register at {shown(url)}: {without_secrets(str(cause), url)}",
            "check that this database is Tieout's register and that its user may write there",
        ) from None


def _remedy(url: URL, cause: str) -> str:
    if "full" in cause or "No space" in cause:
        return "free space on its disk, then run again; nothing was published"
    if "locked" in cause or "lock timeout" in cause:
        return "another process holds the register; wait for it to finish or end it, then run again"
    if url.get_backend_name() == "sqlite":
        return "check that the folder exists and can be written"
    return "check that the database is running, the address in register_url, and its password"


def prepare(engine: Engine) -> None:
    """Bring the schema up to date; many processes may do so at once, one does it."""
    if engine.dialect.name == "sqlite":
        _make_folder(Path(str(engine.url.database)).parent)
        _write_ahead(engine)
    with engine.connect() as connection:
        if _revision(connection) == _newest():
            return
    with engine.execution_options(writes=True).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        _migrate(connection)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise TieoutError(
            f"the register's folder cannot be made: {problem.strerror}",
            "name another home folder or register_url",
            str(folder),
        ) from None


def _write_ahead(engine: Engine) -> None:
    """WAL stays set in the file. Changing to it does not wait for a lock, so try again, bounded."""

    def attempt() -> bool:
        raw = engine.raw_connection()
        try:
            mode = raw.cursor().execute("PRAGMA journal_mode=WAL").fetchone()
            return bool(mode) and mode[0] == "wal"
        except sqlite3.OperationalError as problem:
            if "locked" not in str(problem):
                raise
            return False
        finally:
            raw.close()

    if not _until(attempt):
        raise TieoutError(
            f"{shown(engine.url)} cannot keep a write-ahead log",
            "put the register on a local disk (not a network share), or use PostgreSQL",
        )


def _until(attempt: Callable[[], bool], times: int = 100, pause: float = 0.05) -> bool:
    for _ in range(times):
        if attempt():
            return True
        time.sleep(pause)
    return False


def _newest() -> str:
    """The revision this Tieout works with: the last file of migrations/versions, by name."""
    return max(p.stem for p in (_MIGRATIONS / "versions").glob("r[0-9]*.py")).split("_")[0]


def _revision(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table(REVISION_TABLE):
        return None
    version = sa.table(REVISION_TABLE, sa.column("version_num"))
    found = connection.execute(sa.select(version.c.version_num)).scalar()
    return None if found is None else str(found)


def _migrate(connection: Connection) -> None:
    from alembic import command  # only when a schema is out of date: importing it takes a while
    from alembic.config import Config

    found, newest = _revision(connection), _newest()
    if found == newest:
        return
    if found is not None and found > newest:
        raise TieoutError(
            f"the register is of a newer Tieout (schema {found}; this one knows {newest})",
            "update Tieout, or open another register",
        )
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
