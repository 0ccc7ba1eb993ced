"""Requests to a real server over a real register: what is answered, stored, counted, refused."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
    plain,
    receiver,
    serving,
    standard_request,
    stripe_event,
    stripe_request,
    structured_request,
    unix_now,
)
from tieout.events import app as answering
from tieout.events import applier as applying
from tieout.events import committer as committing
from tieout.events.committer import Committer
from tieout.events.inbox import after, store
from tieout.events.metrics import Metrics
from tieout.events.model import NewEvent
from tieout.events.refused import Refused
from tieout.register.eventtables import event, event_conflict, event_refusal, event_sequence
from tieout.register.register import Register

EVERYWHERE = "0.0.0.0"  # noqa: S104 - it must be refused


@pytest.fixture
def served(register_url: str, tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path, register_url) as running:
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
    at = unix_now()
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
    first = stripe_request(stripe_event(1), unix_now())
    other = stripe_request(stripe_event(1, created=1), unix_now())
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
    request = batch_request(one, cloud_event(2), one, other, now=unix_now())
    assert served.send(request).json == {"new": 2, "duplicate": 1, "conflict": 1}
    assert [e.sequence for e in served.stored()] == [1, 2]
    assert served.send(batch_request(now=unix_now())).json == {
        "new": 0,
        "duplicate": 0,
        "conflict": 0,
    }


def test_a_wrong_event_is_stored_and_counted_as_dead(served: Served) -> None:
    assert served.send(stripe_request(stripe_event(1, type="strange"), unix_now())).status == 200
    [stored] = served.stored()
    assert stored.state == "dead"
    figures = served.ask("/metrics").body.decode()
    assert 'tieout_intake_dead_events_total{feed="stripe"} 1.0' in figures
    assert "tieout_dead_letters 1.0" in figures


def test_many_senders_at_once_are_committed_in_groups(served: Served) -> None:
    at = unix_now()
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
    at = unix_now()
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


# Overload


def test_what_cannot_be_queued_is_sent_away_and_nothing_is_lost(
    served: Served, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committing, "QUEUE_EVENTS", 3)
    at = unix_now()
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
            told = served.send(hmac_request(plain(1), unix_now()))
        assert (told.status, told.json["reason"]) == (503, "slow_database")
        assert eventually(lambda: len(served.stored()) == 1)
        assert served.send(hmac_request(plain(1), unix_now())).json["duplicate"] == 1


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
