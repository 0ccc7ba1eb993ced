"""What the intake does in its own time: applying, and noting how many requests were refused."""

from __future__ import annotations

import logging
import random
import threading
from collections import Counter
from datetime import UTC, datetime

from sqlalchemy.engine import Connection

from tieout.errors import TieoutError
from tieout.events.apply import apply_waiting
from tieout.register.eventtables import event_refusal
from tieout.register.register import Register
from tieout.register.statements import insert
from tieout.settings import Settings

_AT_ONCE = 200
"""Events applied in one transaction: on SQLite the intake waits for it."""
_GATHER = 0.02
"""Seconds in which events gather, so that under load they are applied in larger groups."""
_IDLE = 1.0
"""Seconds after which it looks by itself: what another process stored, what is tried again."""
_FLUSH = 5.0
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0
_LOG = logging.getLogger(__name__)


class Background:
    """A thread that applies events after each commit. `wake` it; `stop` ends it."""

    def __init__(self, register: Register, settings: Settings) -> None:
        self._register, self._settings = register, settings
        self._wake, self._stop = threading.Event(), threading.Event()
        self._refused: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="applier", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Something was stored."""
        self._wake.set()

    def refused(self, feed: str, reason: str) -> None:
        """A request was refused."""
        with self._lock:
            self._refused[feed, reason] += 1

    def stop(self) -> None:
        """End after what is under way."""
        self._stop.set()
        self._wake.set()
        self._thread.join(20)

    def _run(self) -> None:
        failures, flushed = 0, datetime.now(UTC)
        while not self._stop.is_set():
            self._wake.wait(_IDLE)
            self._wake.clear()
            self._stop.wait(_GATHER)
            try:
                while apply_waiting(self._register, self._settings, _AT_ONCE):
                    if self._stop.is_set():
                        break
                if (now := datetime.now(UTC)).timestamp() - flushed.timestamp() > _FLUSH:
                    self._flush(now)
                    flushed = now
                failures = 0
            except TieoutError as problem:
                # The register is away; what is stored stays, and is applied once it is back.
                _LOG.warning("events are not applied: %s", problem.problem)
                longest = min(_FIRST_WAIT * 2**failures, _LONGEST_WAIT)
                failures = min(failures + 1, 10)
                self._stop.wait(random.uniform(0, longest))  # noqa: S311 - jitter, no secret
        try:
            self._flush(datetime.now(UTC))
        except TieoutError as problem:
            _LOG.warning("refused requests are not noted: %s", problem.problem)

    def _flush(self, now: datetime) -> None:
        with self._lock:
            counts, self._refused = self._refused, Counter()
        if not counts:
            return
        try:
            with self._register.writing() as connection:
                _add(connection, counts, now)
        except TieoutError:
            with self._lock:
                self._refused += counts
            raise


def _add(connection: Connection, counts: Counter[tuple[str, str]], now: datetime) -> None:
    hour = now.replace(minute=0, second=0, microsecond=0)
    statement = insert(connection, event_refusal)
    rows = [
        {"feed": feed, "reason": reason, "hour": hour, "times": times, "last_at": now}
        for (feed, reason), times in sorted(counts.items())
    ]
    more = event_refusal.c.times + statement.excluded.times
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["feed", "reason", "hour"],
            set_={"times": more, "last_at": statement.excluded.last_at},
        ),
        rows,
    )
