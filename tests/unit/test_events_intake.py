"""Requests to a real server over a real register: what is answered, stored, counted, refused."""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from pipelines.cli import tieout
from tests.events import (
    SECRETS,
    Request,
    Served,
    adyen_item,
    adyen_request,
    batch_request,
    binary_request,
    cloud_event,
    company,
    hmac_request,
    receiver,
    serving,
    standard_request,
    stripe_event,
    stripe_request,
    structured_request,
)
from tieout.events import app as answering
from tieout.events import applier as applying
from tieout.events import committer as committing
from tieout.events import server as serving_module
from tieout.events.app import MOST_BODY
from tieout.events.committer import Committer
from tieout.events.inbox import after, store
from tieout.events.metrics import Metrics
from tieout.events.model import NewEvent
from tieout.events.refused import Refused
from tieout.register.eventtables import event, event_conflict, event_refusal, event_sequence
from tieout.register.register import Register

EVERYWHERE = "0.0.0.0"  # noqa: S104 - it must be refused
FUZZED = int(os.environ.get("TIEOUT_FUZZED", "500"))


def now() -> int:
    return int(time.time())


def plain(number: int, **more: Any) -> dict[str, Any]:
    base = {"id": f"e{number}", "type": "paid", "at": "2026-10-05T10:00:00Z", "ref": f"P{number}"}
    return base | more


@pytest.fixture
def served(register_url: str, tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path, register_url) as running:
        yield running


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[Served]:
    """Where the database makes no difference."""
    with serving(tmp_path, None) as running:
        yield running


def eventually(check: Callable[[], bool], seconds: float = 15) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if check():
            return True
        time.sleep(0.05)
    return False


# What is taken in


def test_what_every_sender_sends_is_durable_when_it_is_answered(served: Served) -> None:
    at = now()
    sent = [
        stripe_request(stripe_event(1), at),
        standard_request(plain(2), at),
        hmac_request(plain(3), at),
        adyen_request(adyen_item(4), adyen_item(5)),
        binary_request(cloud_event(6), at),
        structured_request(cloud_event(7), at),
        batch_request(cloud_event(8), cloud_event(9), now=at),
    ]
    for request in sent:
        answer = served.send(request)
        assert answer.status == 200, answer.body
        if request.scheme == "adyen":
            assert answer.body == b"[accepted]"
        else:
            several = 2 if "batch" in request.headers["content-type"] else 1
            assert answer.json == {"new": several, "duplicate": 0, "conflict": 0}
    stored = served.stored()
    assert [one.sequence for one in stored] == list(range(1, 10))
    assert [one.event_id for one in stored[:5]] == [
        "evt_1",
        "e2",
        "e3",
        "CAPTURE:PSP4:true",
        "CAPTURE:PSP5:true",
    ]
    assert stored[0].body == sent[0].body
    assert stored[5].headers["ce-id"] == "ce-6"
    assert {one.state for one in stored} == {"new"}
    received = [one.received_at for one in stored]
    assert received == sorted(received)


def test_the_same_again_is_a_duplicate_and_another_body_a_conflict(served: Served) -> None:
    first = stripe_request(stripe_event(1), now())
    other = stripe_request(stripe_event(1, created=1), now())
    counts = [served.send(one).json for one in (first, first, other, other, first)]
    assert [[o for o, n in c.items() if n] for c in counts] == [
        ["new"],
        ["duplicate"],
        ["conflict"],
        ["conflict"],
        ["duplicate"],
    ]
    [stored] = served.stored()
    assert (stored.duplicates, stored.body) == (2, first.body)
    with served.workplace.register.reading() as connection:
        [aside] = connection.execute(sa.select(event_conflict)).all()
    assert (aside.times, aside.body) == (2, other.body)


def test_in_one_request_it_is_as_in_several(served: Served) -> None:
    one, other = cloud_event(1), cloud_event(1, number="INV-other")
    request = batch_request(one, cloud_event(2), one, other, now=now())
    assert served.send(request).json == {"new": 2, "duplicate": 1, "conflict": 1}
    assert [e.sequence for e in served.stored()] == [1, 2]
    assert served.send(batch_request(now=now())).json == {"new": 0, "duplicate": 0, "conflict": 0}


def test_a_wrong_event_is_stored_and_counted_as_dead(served: Served) -> None:
    assert served.send(stripe_request(stripe_event(1, type="strange"), now())).status == 200
    [stored] = served.stored()
    assert stored.state == "dead"
    figures = served.ask("/metrics").body.decode()
    assert 'tieout_intake_dead_events_total{feed="stripe"} 1.0' in figures
    assert "tieout_dead_letters 1.0" in figures


def test_many_senders_at_once_are_committed_in_groups(served: Served) -> None:
    at = now()
    requests = [stripe_request(stripe_event(n % 150), at) for n in range(300)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(served.send, requests))
    assert {one.status for one in answers} == {200}
    assert sum(one.json["new"] for one in answers) == 150
    stored = served.stored()
    assert [one.sequence for one in stored] == list(range(1, 151))
    assert sum(one.duplicates for one in stored) == 150
    figures = served.ask("/metrics").body.decode()
    assert 'tieout_intake_events_total{feed="stripe",outcome="new"} 150.0' in figures
    assert 'tieout_intake_events_total{feed="stripe",outcome="duplicate"} 150.0' in figures
    assert "tieout_intake_commit_events_sum 300.0" in figures
    assert "tieout_intake_queue_events 0.0" in figures
    assert "tieout_intake_lag_events 150.0" in figures


# What is refused


def test_refusals_are_problems_with_their_status_and_are_counted(served: Served) -> None:
    at = now()
    good = hmac_request(plain(1), at)
    text = good.with_headers(content_type="text/plain")
    binary = binary_request(cloud_event(1), at)
    unsigned = replace(good, headers={"content-type": "application/json"})
    cases = [
        (served.send(unsigned), 401, "no_signature"),
        (served.send(replace(good, body=good.body + b" ")), 401, "bad_signature"),
        (served.send(hmac_request(plain(1), at - 310)), 401, "outside_window"),
        (served.send(hmac_request(plain(1), at + 310)), 401, "outside_window"),
        (served.send(text), 415, "media_type"),
        (served.send(good.with_headers(content_encoding="gzip")), 415, "media_type"),
        (
            served.send(good.with_headers(content_type="application/json; charset=utf-16")),
            415,
            "media_type",
        ),
        (served.send(hmac_request(["no", "object"], at)), 400, "malformed"),
        (served.send(hmac_request({"type": "paid"}, at)), 400, "malformed"),
        (served.send(hmac_request({"id": "x" * 256}, at)), 400, "malformed"),
        (served.send(hmac_request({"id": "\ud800"}, at)), 400, "malformed"),
        (served.send(Request("adyen", b"no")), 400, "malformed"),
        (served.send(Request("adyen", b'{"notificationItems":[]}')), 400, "malformed"),
        (served.send(binary.with_headers(ce_id="")), 401, "bad_signature"),
        (served.ask("/v1/events/nothing", b"{}"), 404, "unknown_feed"),
        (served.ask("/v1/events/", b"{}"), 404, "unknown_feed"),
        (served.ask("/v1/events/hmac"), 405, "method"),
        (served.ask("/nothing"), 404, "unknown_address"),
        (served.ask("/healthz", b""), 405, "only_get"),
    ]
    for answer, status, reason in cases:
        assert (answer.status, answer.json["reason"]) == (status, reason)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json["status"] == status
        assert not any(secret.encode() in answer.body for secret in SECRETS.values())
    assert cases[16][0].headers["allow"] == "POST"
    assert served.stored() == []

    def counted() -> dict[tuple[str, str], int]:
        with served.workplace.register.reading() as connection:
            rows = connection.execute(sa.select(event_refusal)).all()
        return {(row.feed, row.reason): row.times for row in rows}

    assert eventually(lambda: sum(counted().values()) == 17)
    assert counted()["hmac", "outside_window"] == 2
    assert counted()["unknown", "unknown_feed"] == 2
    assert {feed for feed, _ in counted()} == {"hmac", "adyen", "cloudevents", "unknown"}
    assert "nothing" not in served.ask("/metrics").body.decode()


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
    from tests.events import NOW, tieout_signature

    request = Request("hmac", body).with_headers(tieout_signature=tieout_signature(body, NOW))
    with pytest.raises(Refused) as told:
        receiver("hmac").read(request.headers, request.body, NOW)
    assert (told.value.status, told.value.reason) == (400, "malformed")


def test_cloud_events_without_their_attributes_are_malformed() -> None:
    from tests.events import NOW, tieout_signature

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
    whole = hmac_request(plain(1, pad="x" * (MOST_BODY - 200)), now())
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
        assert served.send(hmac_request(plain(1), now())).status == 200


def test_a_head_without_end_is_cut_off(on_sqlite: Served) -> None:
    with socket.create_connection(("127.0.0.1", on_sqlite.port), 30) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\n")
        with suppress(ConnectionError):  # in the middle of what is sent, or after it
            for _ in range(100):
                connection.sendall(b"x-filler: " + b"x" * 4000 + b"\r\n")
            assert connection.recv(100) == b""
    assert on_sqlite.ask("/healthz").status == 200


# Overload


def test_what_cannot_be_queued_is_sent_away_and_nothing_is_lost(
    served: Served, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committing, "QUEUE_EVENTS", 3)
    at = now()
    requests = [stripe_request(stripe_event(n), at) for n in range(12)]
    with ThreadPoolExecutor(12) as pool:
        with served.workplace.register.writing() as connection:  # nobody else can write
            connection.execute(sa.select(event_sequence.c.last).with_for_update())
            waiting = [pool.submit(served.send, one) for one in requests]
            assert eventually(lambda: sum(one.done() for one in waiting) >= 6)
        answers = [one.result() for one in waiting]
    taken = {n for n, answer in enumerate(answers) if answer.status == 200}
    away = [answer for answer in answers if answer.status != 200]
    assert {(a.status, a.headers["retry-after"], a.json["reason"]) for a in away} == {
        (503, "1", "overload")
    }
    assert {one.event_id for one in served.stored()} == {f"evt_{n}" for n in taken}
    assert 3 <= len(taken) <= 6
    again = [served.send(requests[n]) for n in range(12) if n not in taken]
    assert {one.status for one in again} == {200}
    assert len(served.stored()) == 12


def test_who_waits_too_long_is_told_so(
    register_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "TEND_SECONDS", 0.1)
    monkeypatch.setattr(answering, "ANSWER_SECONDS", 0.3)
    with serving(tmp_path, register_url) as served:
        with served.workplace.register.writing() as connection:
            connection.execute(sa.select(event_sequence.c.last).with_for_update())
            told = served.send(hmac_request(plain(1), now()))
        assert (told.status, told.json["reason"]) == (503, "slow_database")
        assert eventually(lambda: len(served.stored()) == 1)
        assert served.send(hmac_request(plain(1), now())).json["duplicate"] == 1


def new_event(number: int, **changes: Any) -> NewEvent:
    from tests.events import NOW

    request = hmac_request(plain(number))
    [made] = receiver("hmac").read(request.headers, request.body, NOW)
    return replace(made, **changes)


def test_an_event_that_no_database_can_hold_does_not_hold_up_the_others(register: Register) -> None:
    bad = new_event(2)
    bad = replace(bad, envelope=replace(bad.envelope, subject_ref="\ud800"))

    async def together() -> list[Any]:
        committer = Committer(register, Metrics())
        with register.writing() as connection:  # so that the three are one group
            connection.execute(sa.select(event_sequence.c.last).with_for_update())
            committer.start()
            first = committer.submit([new_event(0)])
            await asyncio.sleep(0.2)
            others = [committer.submit([one]) for one in (new_event(1), bad, new_event(3))]
        results = await asyncio.gather(first, *others, return_exceptions=True)
        await asyncio.to_thread(committer.stop)
        return list(results)

    *good, refused, last = asyncio.run(together())
    assert [one[0].sequence for one in [*good, last]] == [1, 2, 3]
    assert isinstance(refused, Refused)
    assert refused.status == 400


def test_sequences_are_in_order_of_commit_for_any_reader(
    postgres_url: str, register_url: str
) -> None:
    """Several writers at once; a reader that goes on from the last it saw sees every event once."""
    with Register.open(postgres_url) as register:
        each, writers = 60, 4
        seen: list[int] = []
        done = threading.Event()

        def write(writer: int) -> None:
            for turn in range(each):
                events = [new_event(writer * 10_000 + turn * 10 + n) for n in range(1 + turn % 3)]
                with register.writing() as connection:
                    store(connection, events)

        def read() -> None:
            while True:
                ended = done.is_set()
                with register.reading() as connection:
                    more = [e.sequence for e in after(connection, seen[-1] if seen else 0, 50)]
                seen.extend(more)
                if ended and not more:
                    return

        reader = threading.Thread(target=read)
        reader.start()
        with ThreadPoolExecutor(writers) as pool:
            list(pool.map(write, range(writers)))
        done.set()
        reader.join(timeout=60)
        assert seen == list(range(1, writers * each * 2 + 1))


def test_two_that_store_the_same_at_once_store_it_once(register: Register) -> None:
    events = [new_event(n) for n in range(40)]
    start = threading.Barrier(4)

    def write(_: int) -> list[str]:
        start.wait(timeout=30)
        found = []
        for n in range(0, 40, 8):
            with register.writing() as connection:
                found += [one.outcome for one in store(connection, events[n : n + 8])]
        return found

    with ThreadPoolExecutor(4) as pool:
        outcomes = [o for found in pool.map(write, range(4)) for o in found]
    assert (outcomes.count("new"), outcomes.count("duplicate")) == (40, 120)
    with register.reading() as connection:
        rows = connection.execute(sa.select(event.c.sequence, event.c.duplicates)).all()
        last = connection.execute(sa.select(event_sequence.c.last)).scalar_one()
    assert sorted(rows) == [(n, 3) for n in range(1, 41)]
    assert last == 40


def test_what_fails_to_apply_is_tried_again_and_requests_come_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(applying, "IDLE_SECONDS", 0.05)
    asked: list[int] = []
    done = threading.Event()

    def apply(most: int) -> int:
        asked.append(most)
        if len(asked) == 1:
            raise RuntimeError("whatever it is")
        if len(asked) == 4:
            done.set()
        return most if len(asked) < 4 else 0

    applier = applying.Applier(apply, busy=lambda: len(asked) == 1)
    applier.start()
    assert done.wait(timeout=30)
    applier.stop()
    assert asked[:4] == [applying.MOST, applying.MOST_BUSY, applying.MOST, applying.MOST]


# What is shown, and to whom


def test_it_says_how_it_is(on_sqlite: Served) -> None:
    assert on_sqlite.ask("/healthz").json == {"status": "ok"}
    assert on_sqlite.ask("/readyz").json == {"status": "ready"}
    assert on_sqlite.ask("/openapi.json").json["openapi"] == "3.1.0"
    assert on_sqlite.ask("/healthz", method="HEAD").status == 405


def test_views_are_for_this_machine_or_for_who_has_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIEOUT_VIEW_TOKEN", "canary-token")
    token = {"authorization": "Bearer canary-token"}
    views = ("/v1/live/summary", "/v1/trace/INV-1")
    with serving(tmp_path / "near", None) as near:
        for view in views:
            assert near.ask(view).status != 401
            told = near.ask(view, headers={"host": "evil.example:80"})
            assert (told.status, told.headers["www-authenticate"]) == (401, "Bearer")
            assert near.ask(view, headers={"host": "[::1]:8420"}).status != 401
            assert near.ask(view, headers={"host": "evil.example"} | token).status != 401
    with serving(tmp_path / "far", None, local=False) as far:
        for view in views:
            assert far.ask(view).status == 401
            wrong = far.ask(view, headers={"authorization": "Bearer canary-tokem"})
            assert wrong.status == 401
            assert b"canary" not in wrong.body
            assert far.ask(view, headers=token).status != 401


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["--host", EVERYWHERE], "put a proxy with TLS before it"),
        (["--host", EVERYWHERE, "--proxy-mode", EVERYWHERE + "/0"], "is no address of a proxy"),
        (["--proxy-mode", "proxy.example"], "is no address of a proxy"),
    ],
)
def test_it_listens_to_this_machine_only_without_a_proxy(
    asked: list[str], told: str, tmp_path: Path
) -> None:
    places = ["--config", str(company(tmp_path)), "--home", str(tmp_path / "home")]
    ran = CliRunner().invoke(tieout, ["intake", "--port", "0", *asked, *places])
    assert ran.exit_code == 2
    assert told in ran.output


# Anything else that may come


def test_no_fuzzed_request_makes_it_fail(
    on_sqlite: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving_module, "REQUEST_SECONDS", 0.2)  # some never come to their end
    seed = random.SystemRandom().randrange(2**32) if "TIEOUT_FUZZED" in os.environ else 7
    print(f"seed {seed}")
    draw = random.Random(seed)
    at = now()
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
