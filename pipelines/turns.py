"""One run of a home folder at a time: two would take each other's partitions over, step by step."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tieout.errors import TieoutError

LOCK = "run.lock"
PATIENCE = 2 * 60 * 60.0
"""Seconds to wait for another run to end."""
_POLL = 0.5


@contextmanager
def own_turn(
    home: Path, say: Callable[[str], None] | None = None, patience: float = PATIENCE
) -> Iterator[None]:
    """Hold the home folder's lock; while another run has it, say so once and wait.

    The lock is the kernel's: it ends with the process, however that ends, and the file by itself
    means nothing. Raises TieoutError when the other run has not ended after `patience` seconds, and
    for a folder in which nothing can be locked.
    """
    path = home / LOCK
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as problem:
        raise TieoutError(
            f"cannot write {path}: {problem.strerror}", "name a folder of your own with --home"
        ) from None
    with file:
        _wait(file, path, say, patience)
        yield


def _wait(file: IO[str], path: Path, say: Callable[[str], None] | None, patience: float) -> None:
    until = time.monotonic() + patience
    told = False
    while not _locked(file, path):
        if time.monotonic() >= until:
            raise TieoutError(
                f"another run of {path.parent} is still at work after {patience / 60:.0f} minutes",
                f"wait until it has ended, or end it (`fuser {path}` names its process), then run"
                " again",
            )
        if say is not None and not told:
            say(f"another run of {path.parent} is at work; waiting until it has ended")
        told = True
        time.sleep(_POLL)


def _locked(file: IO[str], path: Path) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as problem:
        raise TieoutError(
            f"cannot lock {path}: {problem.strerror}", "put the home folder on a local disk"
        ) from None
    return True
