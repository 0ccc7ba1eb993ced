"""Group commit: one thread stores, for all connections, what has come in while it stored before.

A request waits until the transaction that holds its events is durable, never longer. The queue is
bounded: what does not fit is refused at once, so that the sender tries again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tieout.errors import TieoutError
from tieout.events.inbox import store
from tieout.events.model import NewEvent, Stored
from tieout.register.register import Register

MOST_WAITING = 4_000
"""Events in the queue."""
MOST_BYTES = 64 << 20
"""Bytes of bodies in the queue."""
MOST_TOGETHER = 500
"""Events of one transaction; a request's own are never divided."""
_LONGEST_STOP = 20


@dataclass(slots=True)
class Waiting:
    """The events of one request. `done` is called once, from the committer's thread."""

    events: Sequence[NewEvent]
    done: Callable[[list[Stored] | TieoutError], None]
    bytes: int = 0


@dataclass
class Committer:
    """The thread and its queue. `committed` is called after each commit: how many, how long."""

    register: Register
    committed: Callable[[int, float], None]
    _queue: list[Waiting] = field(default_factory=list)
    _events: int = 0
    _bytes: int = 0
    _ending: bool = False

    def __post_init__(self) -> None:
        self._there = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Events in the queue."""
        return self._events

    def submit(self, one: Waiting) -> bool:
        """Put a request's events into the queue; False where it is full or ending."""
        one.bytes = sum(len(e.body) for e in one.events)
        with self._there:
            full = self._events + len(one.events) > MOST_WAITING or self._bytes > MOST_BYTES
            if self._ending or full:
                return False
            self._queue.append(one)
            self._events += len(one.events)
            self._bytes += one.bytes
            self._there.notify()
        return True

    def stop(self) -> None:
        """Store what is in the queue, then end."""
        with self._there:
            self._ending = True
            self._there.notify()
        self._thread.join(_LONGEST_STOP)

    def _run(self) -> None:
        while group := self._take():
            events = [event for one in group for event in one.events]
            began = time.perf_counter()
            try:
                with self.register.writing() as connection:
                    outcomes = store(connection, events)
            except TieoutError as problem:
                for one in group:
                    one.done(problem)
                continue
            self.committed(len(events), time.perf_counter() - began)
            start = 0
            for one in group:
                one.done(outcomes[start : start + len(one.events)])
                start += len(one.events)

    def _take(self) -> list[Waiting]:
        """Whole requests up to the most events of a transaction; none once the end has come."""
        with self._there:
            while not self._queue and not self._ending:
                self._there.wait()
            count, events = 0, 0
            for one in self._queue:
                if count and events + len(one.events) > MOST_TOGETHER:
                    break
                count, events = count + 1, events + len(one.events)
            group, self._queue = self._queue[:count], self._queue[count:]
            self._events -= events
            self._bytes -= sum(one.bytes for one in group)
            return group
