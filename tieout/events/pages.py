"""What the intake shows: whether it lives, its figures, its description, and the live views.

The views name customers' documents. They are answered to this machine (bound to loopback, no proxy,
asked for by a loopback name, so that no web page elsewhere can ask), or to who has the token.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from tieout.errors import RequestError, TieoutError
from tieout.events.answers import Answer, json_answer, problem
from tieout.events.live import summary
from tieout.events.metrics import Metrics
from tieout.events.openapi import DOCUMENT
from tieout.events.refused import Refused
from tieout.register.eventtables import event, event_sequence, is_waiting
from tieout.workplace import Workplace

TOKEN = "TIEOUT_VIEW_TOKEN"  # noqa: S105 - the name of the variable
DATABASE_SECONDS = 8.0
_TRACE = "/v1/trace/"
_LONGEST_REF = 255


class Pages:
    """Every address but those events are sent to."""

    def __init__(
        self, workplace: Workplace, metrics: Metrics, local: bool, token: str | None
    ) -> None:
        """`local`: whether only this machine can ask (loopback, no proxy)."""
        self._workplace, self._metrics = workplace, metrics
        self._local, self._token = local, token
        self._plain: Mapping[str, Callable[[], Answer]] = {
            "/readyz": self._ready,
            "/metrics": self._figures,
            "/v1/live/summary": self._summary,
        }

    async def answer(self, scope: Mapping[str, Any]) -> Answer:
        """The answer to any request. What reads the database runs in a thread."""
        try:
            return await self._answered(scope)
        except Refused as refused:
            return problem(refused)

    async def _answered(self, scope: Mapping[str, Any]) -> Answer:
        path: str = scope["path"]
        shown = self._plain.get(path)
        if path.startswith(_TRACE) and 0 < len(path) - len(_TRACE) <= _LONGEST_REF:
            ref = path[len(_TRACE) :]
            shown = lambda: self._trace(ref)  # noqa: E731
        if shown is None and path not in ("/healthz", "/openapi.json"):
            raise Refused(404, "unknown_address", "there is nothing here; see /openapi.json")
        if scope["method"] != "GET":
            raise Refused(405, "only_get", "this is read with GET")
        if shown is None:
            return json_answer(DOCUMENT if path == "/openapi.json" else {"status": "ok"})
        if path.startswith("/v1/"):
            self._may_view(scope["headers"])
        try:
            async with asyncio.timeout(DATABASE_SECONDS):
                return await asyncio.to_thread(shown)
        except RequestError as unknown:
            raise Refused(404, "not_found", unknown.problem) from None
        except (TieoutError, TimeoutError):
            raise Refused(503, "database", "the database cannot be reached") from None

    def _may_view(self, raw: list[tuple[bytes, bytes]]) -> None:
        headers = dict(raw)
        if self._token:
            wanted = b"Bearer " + self._token.encode()
            if hmac.compare_digest(headers.get(b"authorization", b""), wanted):
                return
        if self._local and is_loopback(_host(headers.get(b"host", b"").decode("latin-1"))):
            return
        raise Refused(401, "no_token", f"views need Authorization: Bearer and the {TOKEN} given")

    def _ready(self) -> Answer:
        with self._workplace.register.reading() as connection:
            connection.execute(sa.select(sa.literal(1)))
        return json_answer({"status": "ready"})

    def _figures(self) -> Answer:
        media = b"text/plain; version=0.0.4; charset=utf-8"
        try:
            self._measure()
        except TieoutError:  # the counters are worth reading all the more
            self._metrics.lag.set(float("nan"))
        return Answer(200, self._metrics.text(), media)

    def _measure(self) -> None:
        c = event.c
        with self._workplace.register.reading() as connection:
            last = connection.execute(sa.select(event_sequence.c.last)).scalar_one()
            oldest = connection.execute(
                sa.select(sa.func.min(c.sequence)).where(is_waiting(), c.state == "new")
            ).scalar_one()
            dead = connection.execute(
                sa.select(sa.func.count()).where(is_waiting(), c.state == "dead").select_from(event)
            ).scalar_one()
        self._metrics.lag.set(0 if oldest is None else last - oldest + 1)
        self._metrics.waiting_dead.set(dead)

    def _summary(self) -> Answer:
        w = self._workplace
        return json_answer(summary(w.register, w.settings, datetime.now(UTC)))

    def _trace(self, ref: str) -> Answer:
        from tieout.events.trace import trace  # reads lines: Polars is loaded when it is needed

        found = trace(self._workplace, ref)
        if found.empty:
            raise Refused(404, "not_found", "nothing is known of this reference")
        return json_answer(found.as_json())


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host(header: str) -> str:
    """`[::1]:8080` -> `::1`."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]
