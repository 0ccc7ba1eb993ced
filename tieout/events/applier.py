"""The thread that applies what was committed, beside the intake and never before it.

What goes wrong there is logged and tried again; a request is answered all the same. Under load it
rests between its turns, so that requests get the processor first.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

IDLE_SECONDS = 2.0
"""Looks again without being woken: what another process stored, what is due to be tried again."""
GATHER_SECONDS = 0.02
LONGEST_REST = 2.0
MOST, MOST_BUSY = 500, 50
"""Events of one turn. While requests wait few: on SQLite a turn keeps them from being stored."""
RESTS, RESTS_BUSY = 1, 7
"""How many times as long as a turn it rests after it: an eighth of the time is its while requests
wait, since applying an event costs more than taking it in."""
log = logging.getLogger(__name__)


class Applier:
    """Calls `apply(most)` until nothing is left, each time it is woken."""

    def __init__(self, apply: Callable[[int], int], busy: Callable[[], bool]) -> None:
        """`apply` returns how many it applied; `busy` says whether requests are waiting."""
        self._apply, self._busy = apply, busy
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="tieout-apply", daemon=True)

    def start(self) -> None:
        """Begin; what is left from before is applied at once."""
        self._thread.start()

    def wake(self) -> None:
        """Something was committed. From any thread."""
        self._wake.set()

    def stop(self) -> None:
        """End after the turn at hand. Blocks."""
        self._stop.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            started, busy = time.perf_counter(), self._busy()
            if self._turn(MOST_BUSY if busy else MOST):
                took = time.perf_counter() - started
                self._stop.wait(min(LONGEST_REST, took * (RESTS_BUSY if busy else RESTS)))
            elif self._wake.wait(IDLE_SECONDS):
                self._wake.clear()
                self._stop.wait(GATHER_SECONDS)

    def _turn(self, most: int) -> bool:
        """Whether there may be more."""
        try:
            return self._apply(most) >= most
        except Exception:  # the intake goes on, whatever is wrong here
            log.exception("events could not be applied; they are tried again")
            self._stop.wait(IDLE_SECONDS)
            return False
