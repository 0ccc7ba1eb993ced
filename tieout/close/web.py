"""Closing months over HTTP, behind a proxy that knows its people: raw ASGI, JSON in and out.

Every address needs a caller (`tieout.close.identity`). An act names the package that the caller has
seen, so nobody signs what they were not shown. A form of another web page cannot act: the media
type that is asked for is one that browsers do not send elsewhere without leave.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from tieout.close import acts, status
from tieout.close.acts import NotReadyError
from tieout.close.history import Act, history, state_of
from tieout.close.identity import Caller, Gate
from tieout.close.openapi import DOCUMENT
from tieout.close.recording import NotAllowedError, Proven
from tieout.errors import RequestError, TieoutError
from tieout.events.answers import Answer, json_answer, problem
from tieout.events.reading import GoneError, Message, Receive, Send, body_of, headers_of
from tieout.events.refused import Refused, malformed
from tieout.periods import Period, parse_period
from tieout.workplace import Workplace

PREFIX = "/v1/close"
_log = logging.getLogger(__name__)


class Request(BaseModel):
    """What an act is asked with: the package that was looked at, and why."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    package_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    reason: Annotated[str, StringConstraints(max_length=2000)] = ""
    accept_deliveries: bool = False


class Closings:
    """The ASGI application of one workplace. Answers come one after the other, in a thread."""

    def __init__(self, workplace: Workplace, gate: Gate) -> None:
        self._workplace, self._gate = workplace, gate
        self._one = asyncio.Lock()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request, or the life of the server."""
        if scope["type"] == "lifespan":
            while (await receive())["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["type"] == "http":
            try:
                answer = await self._answer(scope, receive)
            except Refused as refused:
                _log.warning("%s %r: %s", scope["method"], scope["path"], refused)
                answer = problem(refused)
            except GoneError:
                return
            await answer.send(send)

    async def _answer(self, scope: Message, receive: Receive) -> Answer:
        if scope["path"] == "/healthz" and scope["method"] == "GET":
            return json_answer({"status": "ok"})
        peer = (scope.get("client") or ("",))[0]
        caller = self._gate.caller(peer, scope["headers"])
        work = await self._work(scope, receive, caller)
        async with self._one:
            return await asyncio.to_thread(_answered, work)

    async def _work(self, scope: Message, receive: Receive, caller: Caller) -> Callable[[], Answer]:
        """What is to be done, once all that was sent is read and known to be well formed."""
        if scope["path"] == "/openapi.json":
            _only(scope, "GET")
            return lambda: json_answer(DOCUMENT)
        if not (scope["path"] == PREFIX or scope["path"].startswith(f"{PREFIX}/")):
            raise _unknown()
        match scope["path"][len(PREFIX) :].split("/")[1:]:
            case []:
                _only(scope, "GET")
                return self._months
            case [entity, month]:
                _only(scope, "GET")
                place = self._place(entity, month)
                return lambda: self._month(*place)
            case [entity, month, "package"]:
                _only(scope, "GET")
                place = self._place(entity, month)
                return lambda: self._package(*place)
            case [entity, month, ("prepare" | "approve" | "reopen") as act]:
                _only(scope, "POST")
                place = self._place(entity, month)
                asked = await _request(scope, receive)
                return lambda: self._act(act, *place, asked, caller)
        raise _unknown()

    def _place(self, entity: str, month: str) -> tuple[str, Period]:
        try:
            period = parse_period(month)
        except TieoutError:
            raise _unknown() from None
        if entity not in self._workplace.settings.entities or not period.is_month:
            raise _unknown()
        return entity, period

    def _months(self) -> Answer:
        return json_answer([one.as_json() for one in status.months(self._workplace)])

    def _month(self, entity: str, month: Period) -> Answer:
        done = history(self._workplace.register, entity, month)
        state, by = state_of(done)
        told: dict[str, Any] = {
            "entity": entity,
            "month": str(month),
            "state": state,
            "package_sha256": None if by is None or state == "open" else by.package_sha256,
            "acts": [one.as_json() for one in done],
        }
        if state != "approved":
            found, made = acts.draft(self._workplace, entity, month)
            obstacles = [one.as_json() for one in found]
            told["draft"] = {"package_sha256": made.sha256, "obstacles": obstacles}
        return json_answer(told)

    def _package(self, entity: str, month: Period) -> Answer:
        text = acts.package_text(self._workplace, entity, month)
        return Answer(200, text.encode())

    def _act(
        self,
        asked_act: Literal["prepare", "approve", "reopen"],
        entity: str,
        month: Period,
        asked: Request,
        caller: Caller,
    ) -> Answer:
        w = self._workplace
        act: Act = acts.act_to_reopen(w, entity, month) if asked_act == "reopen" else asked_act
        what = acts.pending(
            w, act, entity, month, asked.reason, deliveries_accepted=asked.accept_deliveries
        )
        if what.package_sha256 != asked.package_sha256:
            raise Refused(
                409, "other_package", f"the package is {what.package_sha256} now: look at it first"
            )
        done = acts.RECORD[act](w, what, Proven(caller.principal, "proxy", caller.vouched))
        _log.info("%s of %s: %s by %s", month, entity, done.act, done.principal)
        return json_answer(done.as_json())


async def _request(scope: Message, receive: Receive) -> Request:
    headers = headers_of(scope["headers"])
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "media_type", "acts are asked with application/json")
    body = await body_of(headers, receive)
    try:
        return Request.model_validate_json(body)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the body"
        raise malformed(f"{place}: {first['msg']}") from None


def _answered(work: Callable[[], Answer]) -> Answer:
    """The answer, also where an act is refused."""
    try:
        return work()
    except NotReadyError as lacking:
        return _refusal(409, "not_ready", "the month cannot be closed yet", lacking.obstacles)
    except NotAllowedError as wrong:
        return _refusal(403, "not_allowed", f"{wrong.problem}: {wrong.remedy}")
    except RequestError as wrong:
        return _refusal(409, "refused", f"{wrong.problem}: {wrong.remedy}")
    except TieoutError as away:
        _log.error("%s", away)
        raise Refused(503, "database", "register or store cannot be read; see the log") from None


def _refusal(code: int, reason: str, detail: str, obstacles: list[Any] | None = None) -> Answer:
    told = problem(Refused(code, reason, detail))
    if obstacles is None:
        return told
    body = json.loads(told.body) | {"obstacles": obstacles}
    return Answer(code, json.dumps(body, ensure_ascii=False).encode(), told.media, told.headers)


def _only(scope: Message, method: str) -> None:
    if scope["method"] != method:
        reason = "method" if method == "POST" else "only_get"
        raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, reason, f"this is asked with {method}")


def _unknown() -> Refused:
    return Refused(404, "unknown_address", "there is nothing here; see /openapi.json")
