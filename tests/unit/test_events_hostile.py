"""Hostile and broken requests to a real server: none is accepted, none makes it fail."""

from __future__ import annotations

import json
import os
import random
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.events import (
    NOW,
    Request,
    Served,
    adyen_item,
    adyen_request,
    batch_request,
    binary_request,
    cloud_event,
    hmac_request,
    plain,
    receiver,
    serving,
    standard_request,
    stripe_event,
    stripe_request,
    structured_request,
    tieout_signature,
    unix_now,
)
from tieout.events import server as serving_module
from tieout.events.reading import MOST_BODY
from tieout.events.refused import Refused

FUZZED = int(os.environ.get("TIEOUT_FUZZED", "500"))


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":"1","id":"2"}',
        b'{"id":"1","n":NaN}',
        b"\xff\xfe",
        b'\xef\xbb\xbf{"id":"1"}',
        b'{"id":"1","n":' + b"9" * 5000 + b"}",
        b'{"id":"1","n":1e99999999999999999999}',
        b"[" * 100_000,
        b"",
    ],
)
def test_a_signed_body_that_is_no_json_is_malformed(body: bytes) -> None:
    request = Request("hmac", body).with_headers(tieout_signature=tieout_signature(body, NOW))
    with pytest.raises(Refused) as told:
        receiver("hmac").read(request.headers, request.body, NOW)
    assert (told.value.status, told.value.reason) == (400, "malformed")


def test_cloud_events_without_their_attributes_are_malformed() -> None:
    def refused(document: Any, kind: str) -> Refused:
        body = json.dumps(document).encode()
        request = Request("cloudevents", body, {"content-type": kind}).with_headers(
            tieout_signature=tieout_signature(body, NOW)
        )
        with pytest.raises(Refused) as told:
            receiver("cloudevents").read(request.headers, request.body, NOW)
        return told.value

    whole = {"specversion": "1.0", "id": "1", "source": "s", "type": "t"}
    one, many = "application/cloudevents+json", "application/cloudevents-batch+json"
    for name in whole:
        lacking = {n: v for n, v in whole.items() if n != name}
        assert refused(lacking, one).status == 400
        assert refused([whole, lacking], many).status == 400
    assert refused(whole | {"specversion": "0.3"}, one).status == 400
    assert refused([whole], one).status == 400
    assert refused(whole, many).status == 400
    assert refused([{**whole, "id": str(n)} for n in range(1001)], many).status == 400
    assert refused(whole, "application/cloudevents+xml").status == 415


def test_a_body_over_a_megabyte_is_refused_before_it_is_read(on_sqlite: Served) -> None:
    head = b"POST /v1/events/hmac HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", on_sqlite.port), 30) as connection:
        connection.sendall(head + b"content-length: %d\r\n\r\n" % (MOST_BODY + 1))
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")
    with socket.create_connection(("127.0.0.1", on_sqlite.port), 30) as connection:
        connection.sendall(head + b"transfer-encoding: chunked\r\n\r\n")
        answer, chunk = b"", b"10000\r\n" + b"x" * 65536 + b"\r\n"
        for _ in range(17):
            connection.sendall(chunk)
        answer = connection.recv(4096)
        assert answer.startswith(b"HTTP/1.1 413 ")
    whole = hmac_request(plain(1, pad="x" * (MOST_BODY - 200)), unix_now())
    assert MOST_BODY - 200 < len(whole.body) <= MOST_BODY
    assert on_sqlite.send(whole).status == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /v1/events/hmac HTTP/1.1\r\nhost: x\r\n",
        b"POST /v1/events/hmac HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345",
    ],
)
def test_a_request_that_does_not_come_to_its_end_is_ended(
    sent: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving_module, "REQUEST_SECONDS", 0.3)
    with serving(tmp_path, None) as served:
        with socket.create_connection(("127.0.0.1", served.port), 30) as connection:
            connection.sendall(sent)
            assert connection.recv(100) == b""
        assert served.send(hmac_request(plain(1), unix_now())).status == 200


def test_a_head_without_end_is_cut_off(on_sqlite: Served) -> None:
    with socket.create_connection(("127.0.0.1", on_sqlite.port), 30) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\n")
        with suppress(ConnectionError):  # in the middle of what is sent, or after it
            for _ in range(100):
                connection.sendall(b"x-filler: " + b"x" * 4000 + b"\r\n")
            assert connection.recv(100) == b""
    assert on_sqlite.ask("/healthz").status == 200


# Anything else that may come


def test_no_fuzzed_request_makes_it_fail(
    on_sqlite: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving_module, "REQUEST_SECONDS", 0.2)  # some never come to their end
    seed = random.SystemRandom().randrange(2**32) if "TIEOUT_FUZZED" in os.environ else 7
    print(f"seed {seed}")
    draw = random.Random(seed)
    at = unix_now()
    makers: list[Callable[[int], Request]] = [
        lambda n: stripe_request(stripe_event(n), at),
        lambda n: standard_request(plain(n), at),
        lambda n: hmac_request(fuzzed_document(draw, n), at),
        lambda n: adyen_request(adyen_item(n)),
        lambda n: binary_request(cloud_event(n), at),
        lambda n: structured_request(cloud_event(n), at),
        lambda n: batch_request(cloud_event(n), cloud_event(n + 1), now=at),
    ]
    statuses: dict[int, int] = {}
    for number in range(FUZZED):
        status = raw_status(on_sqlite.port, fuzzed(draw, draw.choice(makers)(number)))
        statuses[status] = statuses.get(status, 0) + 1
    print(statuses)
    assert on_sqlite.ask("/readyz").status == 200
    assert not any(status >= 500 for status in statuses), statuses
    assert {200, 400, 401} <= set(statuses)


def fuzzed_document(draw: random.Random, number: int) -> Any:
    odd: list[Any] = [
        None,
        True,
        [],
        {},
        -0.0,
        1e300,
        10**400,
        "\x00",
        "\ud800",
        "é" * 300,
        {"a": 1},
    ]
    document = plain(number)
    for _ in range(draw.randrange(3)):
        document[draw.choice([*document])] = draw.choice(odd)
    return document


def fuzzed(draw: random.Random, request: Request) -> bytes:
    """The bytes of a request, often damaged."""
    path = draw.choice([request.scheme] * 20 + ["", "x", "%00", "..%2f..", "é", "a" * 5000])
    method = draw.choice(["POST"] * 20 + ["GET", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"])
    headers = [(n.encode(), v.encode("latin-1")) for n, v in request.headers.items()]
    headers.append((b"content-length", b"%d" % len(request.body)))
    if draw.random() < 0.2:
        headers.pop(draw.randrange(len(headers)))
    if draw.random() < 0.2:
        headers.append(draw.choice(headers))
    head = b"".join(n + b": " + v + b"\r\n" for n, v in headers)
    data = f"{method} /v1/events/{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n".encode()
    data += head + b"\r\n" + request.body
    if draw.random() < 0.5:
        changed = bytearray(data)
        for _ in range(draw.randrange(1, 5)):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        data = bytes(changed)
    return data[: draw.randrange(len(data))] if draw.random() < 0.05 else data


def raw_status(port: int, data: bytes) -> int:
    """The status of the answer, 0 where none came."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        try:
            connection.sendall(data)
            answer = connection.recv(65536)
        except ConnectionError:
            return 0
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0


def test_it_keeps_to_its_own_description(on_sqlite: Served, component: Callable[..., Any]) -> None:
    schemathesis = component("schemathesis")
    hypothesis = component("hypothesis")
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{on_sqlite.port}/openapi.json")
    tried = 0
    examples = FUZZED // 50
    for found in schema.get_all_operations():
        operation = found.ok()

        @hypothesis.given(case=operation.as_strategy())
        @hypothesis.settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        def holds(case: Any) -> None:
            nonlocal tried
            tried += 1
            case.call_and_validate()

        holds()
    assert tried >= examples
