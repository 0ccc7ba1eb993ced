"""The little of HTTP that the intake needs over ASGI: bodies, answers, RFC 9457 problems."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

MOST_BYTES = 1 << 20
"""Bytes of a body."""
BODY_SECONDS = 15
"""How long a sender may take for its body."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back."""

    status: int
    body: bytes = b""
    media: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class ProblemError(Exception):
    """A request that is not taken. `reason` is a fixed word, `detail` is for the sender."""

    def __init__(
        self, status: int, reason: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.reason, self.detail = status, reason, detail
        self.headers = dict(headers or {})

    def answer(self) -> Answer:
        """As application/problem+json."""
        told = {"title": _TITLES.get(self.status, "Error"), "status": self.status}
        body = json.dumps(told | {"detail": self.detail, "reason": self.reason}).encode()
        return Answer(self.status, body, "application/problem+json", self.headers)


_TITLES = {
    400: "Malformed request",
    401: "Not believed",
    403: "Not for this caller",
    404: "Not found",
    405: "Method not allowed",
    408: "Too slow",
    413: "Too large",
    415: "Media type not supported",
    503: "Not now",
}


def json_answer(document: Any, status: int = 200) -> Answer:
    """A JSON answer."""
    return Answer(status, json.dumps(document).encode())


def headers_of(scope: Scope) -> dict[str, str]:
    """Headers by lower-case name. One that stands twice has its values joined by a comma."""
    found: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name, text = raw.decode("latin-1").lower(), value.decode("latin-1")
        found[name] = f"{found[name]},{text}" if name in found else text
    return found


async def body_of(headers: Mapping[str, str], receive: Receive) -> bytes:
    """The whole body. Raises ProblemError: larger than MOST_BYTES, too slow, or cut off."""
    stated = headers.get("content-length", "")
    if stated.isdigit() and int(stated) > MOST_BYTES:
        raise _TOO_LARGE
    try:
        return await asyncio.wait_for(_read(receive), BODY_SECONDS)
    except TimeoutError:
        detail = f"the body took longer than {BODY_SECONDS} seconds"
        raise ProblemError(408, "slow", detail, {"Connection": "close"}) from None


async def _read(receive: Receive) -> bytes:
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        whole: bytes = message.get("body", b"")
        if len(whole) > MOST_BYTES:
            raise _TOO_LARGE
        return whole
    pieces: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ProblemError(400, "cut_off", "the body was cut off")
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > MOST_BYTES:
            raise _TOO_LARGE
        if not message.get("more_body"):
            return b"".join(pieces)
        message = await receive()


_TOO_LARGE = ProblemError(
    413, "too_large", f"a body has {MOST_BYTES} bytes at most", {"Connection": "close"}
)


async def respond(send: Send, answer: Answer) -> None:
    """Send an answer."""
    headers = [
        (b"content-type", answer.media.encode()),
        (b"content-length", str(len(answer.body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *((name.lower().encode(), value.encode()) for name, value in answer.headers.items()),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
