"""A fake Stripe's own webhooks, through a relay that delivers badly, into a real intake.

The fake server lists the events it made (`GET /v1/events`): that list, not ours, is what the inbox
must hold, each event once, although the intake is killed half way.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa

from tests.dagster_processes import free_port
from tests.deliveries import relay
from tieout.register.eventtables import event, subject
from tieout.register.register import Register

ROOT = Path(__file__).resolve().parents[2]
KEY = "whsec_of_the_tests"
PAYOUTS = 24
COMPANY = """
company: Example
calendar: {{start: 2026-01-01}}
register_url: {register}
entities: {{DE01: {{name: Example GmbH, currency: EUR}}}}
feeds:
  stripe_events:
    format: stripe_events
    entity: DE01
    inbox: {{secrets: ["${{STRIPE_KEY}}"], expects: {{payout: {{feeds: [stripe]}}}}}}
  stripe: {{format: stripe_balance, location: "s/{{date}}.csv", entity: DE01}}
reconciliations:
  payouts:
    description: Every payout that was announced is on the balance
    source: {{feeds: [stripe_events], where: {{type: [payout.paid]}}, sign: -1}}
    target: {{feeds: [stripe], where: {{category: [payout]}}}}
    passes: [{{name: a, shape: one_to_one, key: {{source: [subject_ref], target: [payment_ref]}}}}]
"""


class FakeStripe:
    """What one asks the fake server, by its HTTP API."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def ask(self, path: str, fields: dict[str, Any] | None = None, *, raw: Any = None) -> Any:
        data = json.dumps(raw).encode() if raw is not None else None
        if fields is not None:
            data = urllib.parse.urlencode(fields).encode()
        kind = "application/json" if raw is not None else "application/x-www-form-urlencoded"
        headers = {"Authorization": "Bearer sk_test_1", "Content-Type": kind}
        request = urllib.request.Request(self._url + path, data, headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            text = answer.read()
        return json.loads(text) if text else None

    def events(self) -> list[dict[str, Any]]:
        """Every event it made."""
        found: list[dict[str, Any]] = []
        for _ in range(20):
            after = f"&starting_after={found[-1]['id']}" if found else ""
            page = self.ask(f"/v1/events?limit=100{after}")
            found += page["data"]
            if not page["has_more"]:
                break
        return found


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to that in time"
        time.sleep(0.1)


@contextmanager
def process(*arguments: str, **more: Any) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen([sys.executable, *arguments], text=True, **more)
    try:
        yield started
    finally:
        started.kill()
        started.wait(timeout=30)


@pytest.fixture
def stripe(component: Callable[..., ModuleType]) -> Iterator[FakeStripe]:
    component("localstripe")
    port = free_port()
    with process(str(ROOT / "tests" / "localstripe_server.py"), str(port)):
        server = FakeStripe(port)

        def answers() -> bool:
            try:
                server.ask("/v1/customers")
            except OSError:
                return False
            return True

        until(answers)
        yield server


@contextmanager
def intake(folder: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    code = "from pipelines.cli import main; main()"
    places = ["--config", str(folder / "tieout.yaml"), "--home", str(folder / "home")]
    with process(
        *("-c", code, "intake", "--port", str(port), *places),
        cwd=ROOT,
        env={"STRIPE_KEY": KEY, "PATH": ""},
        stderr=subprocess.PIPE,
    ) as started:
        assert started.stderr is not None
        assert "taking events in at" in started.stderr.readline()
        yield started


@pytest.mark.slow
def test_every_event_of_the_sender_is_in_the_inbox_once_although_the_intake_is_killed(
    stripe: FakeStripe, register_url: str, tmp_path: Path
) -> None:
    (tmp_path / "tieout.yaml").write_text(
        COMPANY.format(register=json.dumps(register_url)), encoding="utf-8"
    )
    port = free_port()
    with relay(("127.0.0.1", port), seed=7) as bad:
        url = f"http://127.0.0.1:{bad.port}/v1/events/stripe_events"
        stripe.ask("/_config/webhooks/a", raw={"url": url, "secret": KEY})
        paid: dict[str, int] = {}
        failed: dict[str, int] = {}
        with intake(tmp_path, port) as first:
            for number in range(PAYOUTS):
                status = "failed" if number % 4 == 3 else "paid"
                fields = {"amount": 1_000 + number, "currency": "eur", "status": status}
                made = stripe.ask("/v1/payouts", fields)
                (failed if status == "failed" else paid)[made["id"]] = made["amount"]
                stripe.ask("/v1/customers", {"email": f"{number}@example.com"})
            until(lambda: bad.acknowledged > PAYOUTS)
            first.send_signal(signal.SIGKILL)
            first.wait(timeout=30)
        with intake(tmp_path, port), Register.open(register_url) as register:
            sent = {one["id"]: one for one in stripe.events()}
            until(lambda: bad.taken == len(sent) and bad.settled)
            assert bad.given_up == 0

            def rows() -> list[Any]:
                with register.reading() as connection:
                    return list(connection.execute(sa.select(event)))

            until(lambda: all(row.state != "new" for row in rows()))
            there = rows()
    assert len(sent) == 3 * PAYOUTS
    assert sorted(row.event_id for row in there) == sorted(sent)
    assert {row.event_id: json.loads(row.body) for row in there} == sent
    assert {"cut", "cut after the whole", "duplicate", "refused"} <= set(bad.done), bad.done
    assert sum(row.duplicates for row in there) > 0
    for row in there:
        wanted = row.envelope["source_type"] in ("payout.paid", "payout.failed")
        assert row.state == ("applied" if wanted else "ignored"), row.problem
    with Register.open(register_url) as register, register.reading() as connection:
        live = {row.ref: row for row in connection.execute(sa.select(subject))}
    assert set(live) == {*paid, *failed}
    for ref, cents in (paid | failed).items():
        assert live[ref].amount == f"{cents // 100}.{cents % 100:02d}"
        assert live[ref].state == ("paid" if ref in paid else "failed")
        assert live[ref].events == 1, "applied once"
