"""Cuts a request into events: the raw bytes of each, and the headers that belong to them.

An event's document can always be made again from those two (`document_of`), which is what a replay
does. Sources: CloudEvents 1.0 (HTTP binding: binary, structured and batch; JSON format), Adyen
(notificationItems), Stripe and Standard Webhooks (one JSON object a request).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from tieout.events.mapping import loads, once, refuse_word
from tieout.formats.webhook import Scheme

MOST_EVENTS = 1_000
"""Events of one request."""
_CLOUD, _CLOUD_BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
_JSON = "application/json"
_REQUIRED = ("id", "source", "specversion", "type")
_KEPT = ("content-type", "webhook-id", "webhook-timestamp")
_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=refuse_word, object_pairs_hook=once)

Headers = Mapping[str, str]
Item = tuple[bytes, dict[str, str]]


class MalformedError(Exception):
    """The request cannot be cut into events: HTTP status and a sentence for the sender."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


def frame(scheme: Scheme, headers: Headers, body: bytes) -> list[Item]:
    """Raw bytes and headers of each event of a request; `headers` have lower-case names.

    Raises MalformedError: 415 for a media type the scheme does not have, 400 for the rest.
    """
    media, charset = _media_type(headers.get("content-type", ""))
    kept = {name: headers[name] for name in _KEPT if name in headers}
    if charset not in ("", "utf-8", "utf8"):
        raise MalformedError(415, "the charset must be utf-8")
    if scheme == "cloudevents":
        return _cloud_events(media, headers, kept, body)
    if media != _JSON:
        raise MalformedError(415, f"the media type must be {_JSON}")
    if scheme == "adyen":
        text = _text(body)
        return [(raw.encode(), dict(kept)) for raw in _elements(text, "notificationItems")]
    return [(body, kept)]


def document_of(scheme: Scheme, raw: bytes, headers: Headers) -> dict[str, Any]:
    """The JSON of one event, as declarations name its places. Raises MalformedError."""
    if scheme == "cloudevents" and "ce-specversion" in headers:
        document: dict[str, Any] = {
            name[3:]: value for name, value in headers.items() if name.startswith("ce-")
        }
        media, _ = _media_type(headers.get("content-type", ""))
        if raw and (media == _JSON or media.endswith("+json")):
            document["data"] = _loads(raw)
    else:
        found = _loads(raw)
        if not isinstance(found, dict):
            raise MalformedError(400, "an event is a JSON object")
        document = found
    if scheme == "cloudevents":
        _assert_cloud_event(document)
    return document


def _cloud_events(media: str, headers: Headers, kept: dict[str, str], body: bytes) -> list[Item]:
    if media == _CLOUD_BATCH:
        return [(raw.encode(), {"content-type": _CLOUD}) for raw in _elements(_text(body))]
    if media == _CLOUD:
        return [(body, kept)]
    own = {name: value for name, value in headers.items() if name.startswith("ce-")}
    if "ce-specversion" not in own:
        raise MalformedError(
            415, f"send {_CLOUD}, {_CLOUD_BATCH}, or the attributes as ce- headers"
        )
    return [(body, kept | own)]


def _assert_cloud_event(document: Mapping[str, Any]) -> None:
    missing = [n for n in _REQUIRED if not isinstance(document.get(n), str) or not document[n]]
    if missing:
        raise MalformedError(400, f"a CloudEvent needs {', '.join(missing)}")
    if document["specversion"] != "1.0":
        raise MalformedError(400, "the specversion must be 1.0")


def _media_type(written: str) -> tuple[str, str]:
    """Media type and charset, in lower case; empty where none is given."""
    media, *parameters = (part.strip().lower() for part in written.split(";"))
    charset = next((p[8:].strip('" ') for p in parameters if p.startswith("charset=")), "")
    return media, charset


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise MalformedError(400, "the body is not UTF-8") from None


def _loads(raw: bytes) -> Any:
    try:
        return loads(_text(raw))
    except ValueError as problem:
        raise MalformedError(400, f"the body is not JSON: {problem}") from None


def _elements(text: str, key: str | None = None) -> list[str]:
    """The text of each element of an array, as it was sent: the whole body, or under a key of it.

    What is stored must be what was signed, to the byte, so nothing is written anew.
    """
    try:
        start = _after_space(text, 0)
        if key is not None:
            start = _position_of(text, start, key)
        loads(text)  # all of it is JSON, what stands around the array included
        found = list(_walk(text, start))
    except (ValueError, IndexError) as problem:
        raise MalformedError(400, f"the body is not what it should be: {problem}") from None
    except RecursionError:
        raise MalformedError(400, "it is nested too deep") from None
    if not found:
        raise MalformedError(400, "there is no event in it")
    if len(found) > MOST_EVENTS:
        raise MalformedError(400, f"more than {MOST_EVENTS} events in one request")
    return [text[first:last] for first, last in found]


def _position_of(text: str, start: int, key: str) -> int:
    """Where the value under a key of the object begins."""
    if text[start] != "{":
        raise ValueError("it is no object")
    at = start
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, _after_space(text, at + 1))
        at = _after_space(text, at)
        if text[at] != ":":
            raise ValueError("a colon is missing")
        at = _after_space(text, at + 1)
        if name == key:
            return at
        _, at = _DECODER.raw_decode(text, at)
        at = _after_space(text, at)
    raise ValueError(f"it has no {key}")


def _walk(text: str, start: int) -> Iterator[tuple[int, int]]:
    """First and last position of each element of the array that begins at `start`."""
    if text[start] != "[":
        raise ValueError("it is no array")
    at = _after_space(text, start + 1)
    while text[at] != "]":
        _, end = _DECODER.raw_decode(text, at)
        yield at, end
        at = _after_space(text, end)
        if text[at] == ",":
            at = _after_space(text, at + 1)
        elif text[at] != "]":
            raise ValueError("a comma is missing")


def _after_space(text: str, at: int) -> int:
    while text[at] in " \t\r\n":
        at += 1
    return at
