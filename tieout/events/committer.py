"""Group commit: one thread makes everything that has come meanwhile durable in one transaction.

A request is answered when its transaction is committed, never before. When the database is away
the whole group is answered 503 and nothing of it is kept here: the senders have it and send again.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from tieout.events.inbox import store
from tieout.events.metrics import Metrics
from tieout.events.model import NewEvent, Stored
from tieout.events.refused import Refused, malformed
from tieout.register.register import Register

MOST_EVENTS, MOST_BYTES = 1_000, 8 << 20
"""Of one transaction; a single request may be larger."""
QUEUE_EVENTS, QUEUE_BYTES = 4_000, 64 << 20
_UNSTORABLE = (sa.exc.DataError, ValueError)
log = logging.getLogger(__name__)

Result = list[Stored] | Refused
_OVERLOAD = "more is waiting than can be stored in time; send it again"
_AWAY = "the database cannot be reached or did not answer in time; send it again"
_LATE = "it was not stored in time, or it is not known whether it was; send it again"


@dataclass(frozen=True, slots=True)
class _Waiting:
    """One request: its events, and who waits for them."""

    events: Sequence[NewEvent]
    size: int
    answer: asyncio.Future[list[Stored]]
    since: float


class Committer:
    """The queue between the event loop and the one thread that writes."""

    def __init__(
        self, register: Register, metrics: Metrics, committed: Callable[[], None] = lambda: None
    ) -> None:
        """`committed` is called after each commit that stored something, in the writing thread."""
        self._register, self._metrics, self._committed = register, metrics, committed
        self._queue: deque[_Waiting] = deque()
        self._group: list[_Waiting] = []
        self._changed = threading.Condition()
        self._events = self._bytes = 0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="tieout-commit", daemon=True)
        metrics.queue.set_function(lambda: self._events)

    @property
    def waiting(self) -> int:
        """Events that wait for a commit."""
        return self._events

    @property
    def alive(self) -> bool:
        """Whether what is submitted will be answered."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin; called in the event loop whose requests are answered."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def stop(self) -> None:
        """Store what is queued, then end. Blocks; nothing may be submitted after it."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def submit(self, events: Sequence[NewEvent]) -> asyncio.Future[list[Stored]]:
        """What becomes of the events of one request, in their order.

        Called in the event loop. Raises Refused (503) when too much is waiting; so does the future
        when the database is away.
        """
        size = sum(len(one.body) for one in events)
        answer: asyncio.Future[list[Stored]] = self._loop.create_future()
        with self._changed:
            full = self._events + len(events) > QUEUE_EVENTS or self._bytes + size > QUEUE_BYTES
            if self._stopping or full:
                raise Refused(503, "overload", _OVERLOAD)
            self._queue.append(_Waiting(events, size, answer, self._loop.time()))
            self._events += len(events)
            self._bytes += size
            self._changed.notify()
        return answer

    def give_up(self, seconds: float) -> None:
        """Answer those who have waited so long, whatever the writing thread is held up by.

        Called in the event loop. They are still stored if it comes to that.
        """
        before = self._loop.time() - seconds
        with self._changed:
            waiting = [*self._group, *self._queue]
        late = [one for one in waiting if one.since < before]
        _answer(late, [Refused(503, "slow_database", _LATE) for _ in late])

    def _run(self) -> None:
        while group := self._take():
            started = time.perf_counter()
            results = self._stored(group)
            self._metrics.commit.observe(time.perf_counter() - started)
            self._metrics.batch.observe(sum(len(one.events) for one in group))
            self._loop.call_soon_threadsafe(_answer, group, results)
            if not all(isinstance(result, Refused) for result in results):
                self._committed()

    def _take(self) -> list[_Waiting]:
        """Everything that has come, up to the bounds; nothing when it is time to end."""
        with self._changed:
            while not self._queue and not self._stopping:
                self._changed.wait()
            group: list[_Waiting] = []
            events = size = 0
            while self._queue:
                first = self._queue[0]
                events, size = events + len(first.events), size + first.size
                if group and (events > MOST_EVENTS or size > MOST_BYTES):
                    break
                group.append(self._queue.popleft())
                self._events -= len(first.events)
                self._bytes -= first.size
            self._group = group
            return group

    def _stored(self, group: Sequence[_Waiting]) -> list[Result]:
        try:
            with self._register.writing() as connection:
                outcomes = iter(store(connection, [e for one in group for e in one.events]))
            return [[next(outcomes) for _ in one.events] for one in group]
        except Exception as problem:  # noqa: BLE001 - whatever it is, those who wait are answered
            log.warning("a commit of %d requests failed: %s", len(group), problem)
            causes = (problem, problem.__context__)
            if not any(isinstance(cause, _UNSTORABLE) for cause in causes):
                return [Refused(503, "database", _AWAY) for _ in group]
        if len(group) == 1:
            return [malformed("an event holds text that cannot be stored")]
        # One that no database can hold: the others must not wait for it.
        return [result for one in group for result in self._stored([one])]


def _answer(group: Sequence[_Waiting], results: Sequence[Result]) -> None:
    for one, result in zip(group, results, strict=True):
        if one.answer.done():  # it waited too long, or its connection is gone
            continue
        if isinstance(result, Refused):
            one.answer.set_exception(result)
        else:
            one.answer.set_result(result)
