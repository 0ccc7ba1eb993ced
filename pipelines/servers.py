"""The Dagster UI and daemon on this machine, as one program that ends as one."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pipelines.home import environment

MODULE = "pipelines.definitions"
_PATIENCE = 120
"""Seconds the web server may take to answer."""
_POLL = 0.5
_GRACE = 30
"""Seconds a process may take to end before it is killed."""


class _EndedError(Exception):
    """Somebody asked this program to end."""


def serve(config: Path, home: Path, *, port: int = 3000) -> int:
    """Run the Dagster UI and daemon on 127.0.0.1 until interrupted; the exit code.

    The UI has no authentication: it never listens anywhere else. A proxy: docs/security.md.
    """
    variables = environment(config, home)
    # A service manager ends this process alone: the servers would live on without it.
    signal.signal(signal.SIGTERM, _end)
    with ExitStack() as stack:

        def start(*arguments: str) -> subprocess.Popen[bytes]:
            return stack.enter_context(_process([*arguments, "--module-name", MODULE], variables))

        try:
            running = [start("pipelines.webserver", "--host", "127.0.0.1", "--port", str(port))]
            # It makes Dagster's databases: Dagster's own code fails when two processes do so.
            if _answers(running[0], port):
                running.append(start("dagster._daemon", "run"))
            while all(one.poll() is None for one in running):
                time.sleep(_POLL)
        except (KeyboardInterrupt, _EndedError):
            # Asked once more, it would leave its servers behind: they end, or are killed.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            return 0
        return 1


def _end(_number: int, _frame: object) -> None:
    raise _EndedError


def _answers(server: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until the web server answers; False when it ended instead, or took too long."""
    deadline = time.monotonic() + _PATIENCE
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=5):
                return True
        except (OSError, urllib.error.URLError):
            time.sleep(_POLL)
    return False


@contextmanager
def _process(
    arguments: Sequence[str], variables: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A Python module as a process, ended on the way out."""
    process = subprocess.Popen([sys.executable, "-m", *arguments], env=variables)  # noqa: S603
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
