"""The intake as an ASGI application: `POST /v1/events/<feed>`, and what one may ask it."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa

from tieout.errors import TieoutError
from tieout.events.background import Background
from tieout.events.committer import Committer
from tieout.events.http import (
    Answer,
    ProblemError,
    Receive,
    Scope,
    Send,
    body_of,
    headers_of,
    json_answer,
    respond,
)
from tieout.events.live import inbox_state, summary
from tieout.events.metrics import Metrics
from tieout.events.openapi import document
from tieout.events.receive import sources_of, take
from tieout.workplace import Workplace

EVENTS = "/v1/events/"
_TRACE = "/v1/trace/"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_NOWHERE = "unknown"
"""The feed that requests for none are counted under."""


class Intake:
    """The application. `token` lets one read the views; without one only loopback may."""

    def __init__(self, workplace: Workplace, *, proxied: bool, token: str | None) -> None:
        """Raises ConfigurationError: no feed with an inbox, or a key of no use."""
        self._workplace = workplace
        self._sources = sources_of(workplace.settings)
        self._proxied, self._token = proxied, token
        self.metrics = Metrics()
        self._background = Background(workplace.register, workplace.settings)
        self._committer = Committer(workplace.register, self._committed)

    def stop(self) -> None:
        """Store what is in the queue, apply what is under way, and end."""
        self._committer.stop()
        self._background.stop()

    def _committed(self, events: int, seconds: float) -> None:
        self.metrics.batch.observe(events)
        self.metrics.commit.observe(seconds)
        self._background.wake()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the server's own start and end."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            return
        try:
            answer = await self._answer(scope, receive)
        except ProblemError as problem:
            feed = self._feed(scope["path"])
            self.metrics.refused.labels(feed, problem.reason).inc()
            if scope["path"].startswith(EVENTS):
                self._background.refused(feed, problem.reason)
            answer = problem.answer()
        await respond(send, answer)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await asyncio.to_thread(self.stop)
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        path, method = scope["path"], scope["method"]
        if path.startswith(EVENTS):
            return await self._take(path, method, scope, receive)
        views = self._views(path)
        if views is None:
            raise ProblemError(404, "not_found", "there is nothing here; see /openapi.json")
        if method not in ("GET", "HEAD"):
            raise ProblemError(405, "method", "use GET", {"Allow": "GET, HEAD"})
        guarded, view = views
        if guarded:
            self._assert_may_look(headers_of(scope))
        try:
            answer = await asyncio.to_thread(view)
        except TieoutError:
            raise ProblemError(
                503, "database", "the register does not answer", {"Retry-After": "5"}
            ) from None
        return answer if method == "GET" else Answer(answer.status, b"", answer.media)

    async def _take(self, path: str, method: str, scope: Scope, receive: Receive) -> Answer:
        source = self._sources.get(path.removeprefix(EVENTS))
        if source is None:
            raise ProblemError(404, "unknown_feed", "no feed of this name has an inbox")
        if method != "POST":
            raise ProblemError(405, "method", "use POST", {"Allow": "POST"})
        began = time.perf_counter()
        headers = headers_of(scope)
        body = await body_of(headers, receive)
        answer = await take(source, headers, body, self._committer, self.metrics)
        self.metrics.request.observe(time.perf_counter() - began)
        return answer

    def _feed(self, path: str) -> str:
        name = path.removeprefix(EVENTS)
        return name if name in self._sources else _NOWHERE

    def _views(self, path: str) -> tuple[bool, Callable[[], Answer]] | None:
        """Whether only some may look, and what there is to see."""
        if path.startswith(_TRACE) and len(path) > len(_TRACE):
            return True, lambda: self._trace(unquote(path.removeprefix(_TRACE)))
        known: Mapping[str, tuple[bool, Callable[[], Answer]]] = {
            "/healthz": (False, lambda: json_answer({"status": "alive"})),
            "/readyz": (False, self._ready),
            "/metrics": (True, self._metrics),
            "/openapi.json": (False, lambda: json_answer(document())),
            "/v1/live/summary": (True, self._summary),
        }
        return known.get(path)

    def _assert_may_look(self, headers: Mapping[str, str]) -> None:
        """Senders come from the network; what the company sold is not for them to see."""
        given = headers.get("authorization", "")
        if self._token is not None:
            if hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
                return
        elif not self._proxied and _host(headers.get("host", "")) in _LOOPBACK:
            return
        raise ProblemError(403, "not_for_this_caller", "set TIEOUT_VIEW_TOKEN, and send it")

    def _ready(self) -> Answer:
        with self._workplace.register.reading() as connection:
            connection.execute(sa.select(1))
        return json_answer({"status": "ready"})

    def _metrics(self) -> Answer:
        state: dict[str, Any] = {"waiting": 0, "oldest_waiting_seconds": None}
        with self._workplace.register.reading() as connection:
            state = inbox_state(connection, datetime.now(UTC))
        self.metrics.queue.set(self._committer.waiting)
        self.metrics.waiting.set(state["waiting"])
        self.metrics.lag.set(state["oldest_waiting_seconds"] or 0)
        return Answer(200, self.metrics.text(), "text/plain; version=0.0.4; charset=utf-8")

    def _summary(self) -> Answer:
        place = self._workplace
        return json_answer(summary(place.register, place.settings, datetime.now(UTC)))

    def _trace(self, ref: str) -> Answer:
        from tieout.events.trace import trace  # reads lines, which needs Polars

        found = trace(self._workplace, ref)
        return json_answer(found.as_json(), 404 if found.empty else 200)


def _host(written: str) -> str:
    """The host without its port."""
    return written if written.endswith("]") else written.rpartition(":")[0] or written
