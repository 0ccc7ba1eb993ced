"""Opening a register: URLs, schema, durability settings, and errors that keep the secret."""

from __future__ import annotations

import socket
import sqlite3
import time
from pathlib import Path
from threading import Barrier, Thread

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import URL, make_url

from tieout.errors import ConfigurationError, TieoutError
from tieout.register import database as opening
from tieout.register.register import Register
from tieout.register.tables import metadata

SECRET = "p@ss/w:ord%1"


def raw_engine(register_url: str) -> sa.Engine:
    return sa.create_engine(opening.register_url(register_url))


def test_the_migrations_make_what_the_code_expects(register: Register, register_url: str) -> None:
    engine = raw_engine(register_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": opening.REVISION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_opening_again_changes_nothing(register_url: str) -> None:
    with Register.open(register_url) as first:
        first.note("kind", "key", {"kept": True})
    with Register.open(register_url) as second:
        assert second.notes("kind") == {"key": {"kept": True}}


def test_many_may_open_a_new_register_at_once(register_url: str) -> None:
    barrier = Barrier(8)

    def open_it(number: int) -> None:
        barrier.wait(timeout=30)
        with Register.open(register_url) as register:
            register.note("opened", str(number), {})

    threads = [Thread(target=open_it, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    with Register.open(register_url) as register:
        assert len(register.notes("opened")) == 8


def test_the_register_shares_a_database_with_another_alembic_user(register_url: str) -> None:
    """Dagster's storage keeps its own alembic_version; neither may take the other's for its own."""
    engine = raw_engine(register_url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        connection.execute(sa.text("INSERT INTO alembic_version VALUES ('284a732df317')"))
    with Register.open(register_url) as register:
        register.note("kind", "key", {})
    with engine.connect() as connection:
        found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalars()
        assert list(found) == ["284a732df317"]
    engine.dispose()


def test_a_register_of_a_newer_tieout_is_not_touched(register_url: str) -> None:
    Register.open(register_url).close()
    engine = raw_engine(register_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE register_revision SET version_num = 'r9999'"))
    with pytest.raises(TieoutError, match=r"newer Tieout \(schema r9999.*update Tieout"):
        Register.open(register_url)
    engine.dispose()


def test_sqlite_is_set_for_durability(tmp_path: Path) -> None:
    with (
        Register.open(f"sqlite:///{tmp_path / 'deep' / 'er' / 'r.db'}") as register,
        register.reading() as connection,
    ):
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_sqlite_reader_is_not_held_up_by_a_writer(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'r.db'}"
    with Register.open(url) as register, register.writing() as _writer:
        started = time.monotonic()
        assert register.notes("kind") == {}
        assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        ("postgresql://u:p@h/d", "postgresql+psycopg"),
        ("postgresql+psycopg2://u:p@h/d", "postgresql+psycopg"),
        ("postgresql+psycopg://u:p@h:5433/d?sslmode=require", "postgresql+psycopg"),
        ("postgres://u:p@h/d", "postgresql+psycopg"),
        ("sqlite:////tmp/r.db", "sqlite"),
    ],
)
def test_urls_are_taken_as_people_write_them(given: str, driver: str) -> None:
    url = opening.register_url(given)
    assert url.drivername == driver
    assert url.query == make_url(given).query


@pytest.mark.parametrize(
    "given",
    ["", "nonsense", "sqlite://", "sqlite:///:memory:", f"mysql://u:{SECRET}@h/d", "postgresql:/x",
     f"u:{SECRET}@h:port/d", f"postgresql://u:{SECRET}@h:port/d"],
)  # fmt: skip
def test_urls_of_no_use_are_refused_without_the_secret(given: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Register.open(given)
    told = str(refused.value)
    assert "ord%1" not in told
    assert "->" in told, "a remedy is given"


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def assert_tells_without_secret(url: URL) -> None:
    started = time.monotonic()
    with pytest.raises(TieoutError) as refused:
        Register.open(url)
    assert time.monotonic() - started < 10
    told = str(refused.value)
    assert "->" in told
    assert "127.0.0.1" in told or "/" in told
    everything = f"{told} {refused.value!r} {refused.value.__cause__!r}"
    assert refused.value.__suppress_context__
    for form in (SECRET, "p%40ss", "ord%1", "ord%251"):
        assert form not in everything


def test_an_unreachable_server_is_told_within_seconds() -> None:
    assert_tells_without_secret(
        URL.create("postgresql", "tieout", SECRET, "127.0.0.1", closed_port(), "books")
    )


def test_a_server_that_does_not_answer_is_told_within_seconds() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        assert_tells_without_secret(
            URL.create("postgresql", "tieout", SECRET, "127.0.0.1", port, "books")
        )


def test_an_unknown_database_is_told(postgres_url: str) -> None:
    url = make_url(postgres_url).set(database="no_such_database", password=SECRET)
    assert_tells_without_secret(url)


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "register.db"
    path.write_text("feed,amount\n" * 1000)
    with pytest.raises(TieoutError, match="not a database"):
        Register.open(f"sqlite:///{path}")
    assert path.read_text() == "feed,amount\n" * 1000


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TieoutError, match="folder cannot be made"):
        Register.open(f"sqlite:///{tmp_path / 'file' / 'deeper' / 'r.db'}")


def test_a_damaged_register_is_told_not_raised_raw(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    with Register.open(f"sqlite:///{path}") as register:
        with sqlite3.connect(path) as other:
            other.execute("DROP TABLE note")
        with pytest.raises(TieoutError, match=r"cannot read the register.*no such table"):
            register.notes("kind")


def test_a_register_shows_no_password() -> None:
    url = URL.create("postgresql", "tieout", SECRET, "db", 5432, "books", {"password": SECRET})
    register = Register(opening.open_engine(opening.register_url(url)))
    assert "***@db:5432/books" in repr(register)
    assert "ord" not in repr(register)
