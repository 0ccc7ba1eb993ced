"""The real Dagster processes of a small company: web server and daemon, on loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pipelines.home import environment

T = TypeVar("T")
LOCATION = "pipelines.definitions"
_POLL = 0.25


@dataclass(frozen=True)
class Servers:
    """Where the web server listens, and what both processes write."""

    url: str
    logs: Path
    daemon: Daemon | None = None

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Put a question to the GraphQL API."""
        body = json.dumps({"query": query, "variables": dict(variables or {})}).encode()
        request = urllib.request.Request(  # noqa: S310 - the address is our own
            f"{self.url}/graphql", body, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                told = json.load(answer)
        except urllib.error.HTTPError as problem:
            problem.add_note(problem.read().decode(errors="replace")[-2000:])
            problem.add_note(_end_of(self.logs / "webserver.log"))
            raise
        assert "errors" not in told, told["errors"]
        data: dict[str, Any] = told["data"]
        return data


class Located(Protocol):
    """A company's folder, its configuration and its home."""

    folder: Path
    config: Path
    home: Path


class Daemon:
    """The daemon's process, which can be killed and started again."""

    def __init__(self, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        self._start = start
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process."""
        self._process = self._start()

    def kill(self) -> None:
        """End it and its children at once, as a machine that fails would."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(20)


@contextmanager
def servers(
    company: Located,
    *,
    daemon: bool = True,
    more: Mapping[str, str] | None = None,
    location: str = LOCATION,
) -> Iterator[Servers]:
    """Start the processes, wait until the web server answers, and end them by their ids.

    `location` is a module with definitions of the test's own, in the company's folder.

    The web server goes first: it makes Dagster's SQLite databases, and Dagster's own code fails
    when two processes do so at the same moment.
    """
    port = free_port()
    logs = company.folder / "logs"
    logs.mkdir(exist_ok=True)
    variables = {**environment(company.config, company.home), **(more or {})}
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        with (logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments, "-m", location],
                env=variables,
                cwd=company.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started.append(process)
        return process

    try:
        works = Daemon(lambda: start("daemon", ["dagster._daemon", "run"]))
        found = Servers(f"http://127.0.0.1:{port}", logs, works)
        start("webserver", ["pipelines.webserver", "-h", "127.0.0.1", "-p", str(port)])
        try:
            until(lambda: answers(found), 90, "the web server")
        except AssertionError as problem:
            problem.add_note(_end_of(logs / "webserver.log"))
            raise
        if daemon:
            works.start()
        yield found
    finally:
        for process in reversed(started):
            _end(process)


def until(ask: Callable[[], T | None], seconds: float, what: str) -> T:
    """The first answer that is not None or False. Fails when it does not come in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = ask()
        if answer:
            return answer
        time.sleep(_POLL)
    raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")


def answers(at: Servers) -> bool:
    """Whether the web server answers questions."""
    try:
        told = at.ask("{ repositoriesOrError { __typename } }")
    except (OSError, urllib.error.URLError):
        return False
    return bool(told["repositoriesOrError"]["__typename"] == "RepositoryConnection")


def _end_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-2000:] if log.exists() else "no log"


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started here, and what it started in its own session."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
