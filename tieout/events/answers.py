"""What the intake answers: JSON, or a problem by RFC 9457."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from tieout.events.refused import Refused

RETRY_SECONDS = {"overload": 1, "database": 5, "slow_database": 5}

Pairs = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and headers beside content-length."""

    status: int
    body: bytes
    media: bytes = b"application/json"
    headers: Pairs = ()

    async def send(self, send: Callable[[MutableMapping[str, Any]], Awaitable[None]]) -> None:
        """Say it to the server."""
        length = (b"content-length", b"%d" % len(self.body))
        headers = [(b"content-type", self.media), length, *self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


ACCEPTED = Answer(200, b"[accepted]", b"text/plain; charset=utf-8")
"""What Adyen wants to read, else it sends again."""


def json_answer(value: Any, status: int = 200) -> Answer:
    """A JSON value; moments and decimals as text."""
    return Answer(status, json.dumps(value, default=str, ensure_ascii=False).encode())


def problem(refused: Refused) -> Answer:
    """A refusal as problem+json, with the headers that HTTP wants for its status."""
    more: list[tuple[bytes, bytes]] = []
    if refused.status == HTTPStatus.SERVICE_UNAVAILABLE:
        more.append((b"retry-after", b"%d" % RETRY_SECONDS.get(refused.reason, 5)))
    if refused.status == HTTPStatus.METHOD_NOT_ALLOWED:
        more.append((b"allow", b"POST" if refused.reason == "method" else b"GET"))
    if refused.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:  # the rest of it is not read
        more.append((b"connection", b"close"))
    if refused.reason == "no_token":
        more.append((b"www-authenticate", b"Bearer"))
    told = {
        "type": "about:blank",
        "title": HTTPStatus(refused.status).phrase,
        "status": refused.status,
        "detail": refused.detail,
        "reason": refused.reason,
    }
    body = json.dumps(told).encode()
    return Answer(refused.status, body, b"application/problem+json", tuple(more))
