"""The intake as an ASGI application: which address does what, and what is answered.

Raw ASGI: a request that is taken in passes through no framework. Every refusal is problem+json.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import get_args

from tieout.errors import TieoutError
from tieout.events.answers import ACCEPTED, Answer, problem
from tieout.events.applier import Applier
from tieout.events.committer import Committer
from tieout.events.metrics import UNKNOWN_FEED, Metrics
from tieout.events.model import NewEvent, Outcome, Stored
from tieout.events.pages import Pages
from tieout.events.reading import GoneError, Message, Receive, Send, body_of, headers_of
from tieout.events.receive import Receiver
from tieout.events.refusals import Refusals
from tieout.events.refused import Refused
from tieout.workplace import Workplace

ANSWER_SECONDS = 30.0
"""A commit must be there by then; the sender sends again, and it may be a duplicate."""
TEND_SECONDS = 3.0
PREFIX = "/v1/events/"


class Intake:
    """The ASGI application of one workplace; its threads live from lifespan startup to shutdown."""

    def __init__(
        self,
        workplace: Workplace,
        receivers: Mapping[str, Receiver],
        apply: Callable[[int], int],
        pages: Pages,
        metrics: Metrics,
    ) -> None:
        """`apply(most)` applies stored events and says how many."""
        self._register = workplace.register
        self._receivers, self._pages, self._metrics = receivers, pages, metrics
        self._adyen = {name for name, receiver in receivers.items() if receiver.scheme == "adyen"}
        self._counters = {
            (name, outcome): metrics.events.labels(name, outcome)
            for name in receivers
            for outcome in get_args(Outcome)
        }
        self._refusals = Refusals()
        self._applier = Applier(apply, busy=lambda: self._committer.waiting > 0)
        self._committer = Committer(workplace.register, metrics, self._applier.wake)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request, or the life of the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if not path.startswith(PREFIX):
            await (await self._pages.answer(scope)).send(send)
            return
        started, feed = time.perf_counter(), path[len(PREFIX) :]
        try:
            answer = await self._take_in(feed, scope, receive)
        except Refused as refused:
            answer = self._refuse(feed, refused)
        except GoneError:
            return
        await answer.send(send)
        self._metrics.request.observe(time.perf_counter() - started)

    async def _take_in(self, feed: str, scope: Message, receive: Receive) -> Answer:
        receiver = self._receivers.get(feed)
        if receiver is None:
            raise Refused(404, "unknown_feed", "no feed with an inbox has this name")
        if scope["method"] != "POST":
            raise Refused(405, "method", "events are sent with POST")
        headers = headers_of(scope["headers"])
        body = await body_of(headers, receive)
        events = receiver.read(headers, body, time.time())
        if not events:
            return _stored([])
        outcomes = await self._committer.submit(events)
        self._count(feed, events, outcomes)
        return ACCEPTED if feed in self._adyen else _stored(outcomes)

    def _count(self, feed: str, events: list[NewEvent], outcomes: list[Stored]) -> None:
        for event, stored in zip(events, outcomes, strict=True):
            self._counters[feed, stored.outcome].inc()
            if event.state == "dead" and stored.outcome == "new":
                self._metrics.dead.labels(feed).inc()

    def _refuse(self, feed: str, refused: Refused) -> Answer:
        name = feed if feed in self._receivers else UNKNOWN_FEED
        self._metrics.rejected.labels(name, refused.reason).inc()
        self._refusals.count(name, refused.reason)
        return problem(refused)

    # The life of the server

    async def _live(self, receive: Receive, send: Send) -> None:
        background: list[asyncio.Task[None]] = []
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._committer.start()
                self._applier.start()
                background = [
                    asyncio.create_task(one) for one in (self._tend(), self._flush_for_good())
                ]
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                for task in background:
                    task.cancel()
                await asyncio.to_thread(self._committer.stop)
                await asyncio.to_thread(self._applier.stop)
                await self._flush()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(TEND_SECONDS)
            self._committer.give_up(ANSWER_SECONDS)

    async def _flush_for_good(self) -> None:
        while True:  # beside the other: it may itself wait for the database
            await asyncio.sleep(TEND_SECONDS)
            await self._flush()

    async def _flush(self) -> None:
        with suppress(TieoutError):  # kept, and added when the database is back
            await asyncio.to_thread(self._refusals.flush, self._register)


def _stored(outcomes: list[Stored]) -> Answer:
    if len(outcomes) == 1:
        return _ONE[outcomes[0].outcome]
    return _counted([one.outcome for one in outcomes])


def _counted(outcomes: list[Outcome]) -> Answer:
    counts = {outcome: outcomes.count(outcome) for outcome in get_args(Outcome)}
    return Answer(200, json.dumps(counts).encode())


_ONE: dict[Outcome, Answer] = {outcome: _counted([outcome]) for outcome in get_args(Outcome)}
