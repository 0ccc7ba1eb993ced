"""A request as ASGI hands it over: its headers and its whole body, of bounded length."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from tieout.events.refused import Refused

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MOST_BODY = 1 << 20


class GoneError(Exception):
    """The client has left: nobody is there to be answered."""


def headers_of(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Names in lower case; of one sent twice the values are joined, which is what HTTP means."""
    found: dict[str, str] = {}
    for key, value in raw:
        name, text = key.decode("latin-1"), value.decode("latin-1")
        found[name] = f"{found[name]},{text}" if name in found else text
    return found


async def body_of(headers: Mapping[str, str], receive: Receive) -> bytes:
    """The whole body. Raises Refused (413) once it is known to be too long."""
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length[:20]) > MOST_BODY:
        raise _too_large()
    chunks: list[bytes] = []
    size, more = 0, True
    while more:  # the server ends a connection whose request does not come in time
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GoneError
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > MOST_BODY:
            raise _too_large()
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)


def _too_large() -> Refused:
    return Refused(413, "too_large", f"a request has at most {MOST_BODY:,} bytes")
