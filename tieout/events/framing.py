"""From one request to the events in it: each with its document and its own bytes as received.

Bytes of an event inside a list are cut out by where the decoder found them, never written anew, so
that what is kept is what was signed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from tieout.events.mapping import decode_at, loads
from tieout.events.refused import Refused, malformed
from tieout.formats.webhook import Scheme

MOST_ITEMS = 1_000
ITEM = "NotificationRequestItem"
_CE = "application/cloudevents"
_NEEDED = ("id", "source", "type")
_PLAIN = ("application/json", "")
_SPACE = " \t\n\r"

Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Framed:
    """One event of a request: what is read, what is kept, and the headers that are part of it."""

    document: Any
    raw: bytes
    headers: Headers


def frame(scheme: Scheme, headers: Headers, body: bytes, most: int = MOST_ITEMS) -> list[Framed]:
    """The events of a request; an empty CloudEvents batch has none.

    Raises Refused: 415 for another media type, 400 for what cannot be read.
    """
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(415, "media_type", "content-encoding: send the body as it was signed")
    media = _media_type(headers.get("content-type", ""))
    if scheme == "cloudevents":
        return _cloudevents(media, headers, body, most)
    if media != "application/json":
        raise Refused(415, "media_type", "send application/json in UTF-8")
    if scheme == "adyen":
        return _adyen(body, most)
    return [Framed(_object(_read(_text(body))), body, {})]


def document(raw: bytes, headers: Headers) -> Any:
    """What `frame` gave the reader for an event that was kept with these bytes and headers.

    Raises Refused where it is no JSON.
    """
    if "ce-specversion" in headers:
        return _structured(headers, raw)
    return _read(_text(raw))


@lru_cache(maxsize=256)  # senders have few
def _media_type(header: str) -> str:
    """Type and subtype in lower case. Raises Refused where the text is not UTF-8."""
    media, _, parameters = header.partition(";")
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name.lower() == "charset" and value.strip('"').lower() not in ("utf-8", "utf8"):
            raise Refused(415, "media_type", "charset: JSON is read in UTF-8 only")
    return media.strip().lower()


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise malformed("the body is not UTF-8") from None


def _read(text: str) -> Any:
    try:
        return loads(text)
    except ValueError as problem:
        raise malformed(f"no JSON: {_told(problem)}") from None


def _told(problem: Exception) -> str:
    """What is wrong, without any of what was sent."""
    if isinstance(problem, json.JSONDecodeError):
        return f"{problem.msg} (character {problem.pos})"
    return "a number is too long" if "int" in str(problem) else str(problem)[:80]


def _object(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise malformed("an event is one JSON object")
    return document


def _adyen(body: bytes, most: int) -> list[Framed]:
    text = _text(body)
    outer = _object(_read(text))
    items = outer.get("notificationItems")
    if not isinstance(items, list) or not items:
        raise malformed("notificationItems is missing or empty")
    start = _member(text, _skip(text, 0), "notificationItems")
    framed = []
    for item, at, _end in _elements(text, start, most):
        inner = item.get(ITEM) if isinstance(item, dict) else None
        begin = _member(text, at, ITEM) if isinstance(inner, dict) else -1
        if begin < 0:
            raise malformed(f"an element of notificationItems has no {ITEM}")
        document, end = decode_at(text, begin)
        framed.append(Framed(document, text[begin:end].encode(), {}))
    return framed


def _cloudevents(media: str, headers: Headers, body: bytes, most: int) -> list[Framed]:
    if media == f"{_CE}+json":
        event = _checked(_object(_read(_text(body))))
        return [Framed(event, body, {})]
    if media == f"{_CE}-batch+json":
        text = _text(body)
        if not isinstance(_read(text), list):
            raise malformed("a batch is one JSON list")
        return [
            Framed(_checked(_object(item)), text[start:end].encode(), {})
            for item, start, end in _elements(text, _skip(text, 0), most)
        ]
    if media.startswith(_CE):
        raise Refused(
            415, "media_type", f"of CloudEvents the formats are {_CE}+json and batch+json"
        )
    if media not in _PLAIN and not media.endswith("+json"):
        raise Refused(415, "media_type", "in binary mode data is JSON")
    kept = {n: v for n, v in headers.items() if n.startswith("ce-") or n == "content-type"}
    return [Framed(_structured(kept, body), body, kept)]


def _structured(headers: Headers, body: bytes) -> dict[str, Any]:
    """The event of binary mode, as structured mode would have sent it."""
    found: dict[str, Any] = {}
    for name, value in headers.items():
        if name.startswith("ce-"):
            try:
                found[name[3:]] = unquote_to_bytes(value).decode("utf-8")
            except UnicodeError:
                raise malformed(f"{name} is not percent-encoded UTF-8") from None
    if "data" in found or "data_base64" in found or "datacontenttype" in found:
        raise malformed("data is no attribute in a header")
    if "content-type" in headers:
        found["datacontenttype"] = headers["content-type"]
    if body:
        found["data"] = _read(_text(body))
    return _checked(found)


def _checked(event: dict[str, Any]) -> dict[str, Any]:
    if event.get("specversion") != "1.0":
        raise malformed("specversion is not 1.0")
    for name in _NEEDED:
        if not isinstance(event.get(name), str) or not event[name]:
            raise malformed(f"the attribute {name} is missing")
    return event


# Where elements stand in the text. The whole was read before, so it is JSON and no key is there
# twice; an element is read again with the same decoder, for its end.


def _elements(text: str, start: int, most: int) -> Iterator[tuple[Any, int, int]]:
    """Value, start and end of each element of the list that begins at `start`."""
    at = _skip(text, start + 1)
    count = 0
    while text[at] != "]":
        count += 1
        if count > most:
            raise malformed(f"more than {most:,} events in one request")
        value, end = decode_at(text, at)
        yield value, at, end
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)


def _member(text: str, start: int, name: str) -> int:
    """Where the value of a member begins, in the object that begins at `start`; -1: it has none."""
    at = _skip(text, start + 1)
    while text[at] != "}":
        key, end = decode_at(text, at)
        at = _skip(text, _skip(text, end) + 1)  # past the colon
        if key == name:
            return at
        _, end = decode_at(text, at)
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return -1


def _skip(text: str, at: int) -> int:
    while text[at] in _SPACE:
        at += 1
    return at
