"""Alerts on real receivers on loopback: what they say, how often, and what a failure loses.

Figures are counted by hand from the rows each test puts in.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from pipelines.cli import tieout
from tests.receivers import Receiver, mail, webhook
from tests.unit.test_events_trace import expect, put, told
from tieout.alerts.conditions import open_alerts
from tieout.alerts.model import Notified
from tieout.alerts.notify import NOTE, notify
from tieout.alerts.sending import Target
from tieout.alerts.settings import KINDS, Alerts
from tieout.config import load
from tieout.errors import ConfigurationError
from tieout.events.model import NewEvent, Problem
from tieout.register.eventtables import event, event_refusal, expectation, subject
from tieout.register.register import Register
from tieout.store import Store
from tieout.workplace import Workplace

NOW = datetime(2026, 10, 9, 12, tzinfo=UTC)
CONFIGURATION = """
company: Acme
calendar: {start: 2026-10-01}
entities: {A: {name: A, currency: USD}}
feeds:
  psp: {format: numbered, inbox: {secrets: ["${PSP_KEY}"]}}
  erp: {format: ledger_csv, location: "erp/{date}.csv", entity: A}
formats: formats
reconciliations:
  any:
    source: {feeds: [erp]}
    target: {feeds: [erp]}
    passes: [{name: p, shape: one_to_one, key: {source: [line_id], target: [line_id]}}]
alerts: {targets: ["${ALERT_HOOK}", "${ALERT_MAIL}"], cool_down_minutes: 60}
"""
FORMAT = """
name: numbered
title: Events of a sender that numbers them
kind: event
documentation: https://docs.example/
webhook:
  scheme: hmac
  documentation: https://docs.example/
  event_id: id
  type: type
  occurred_at: at
  sequence: {number: n, account: account}
  types: {paid: {type: payment.succeeded, refs: {payment: ref}}}
"""
TOKEN = "tok-3n-secret"


@pytest.fixture
def place(tmp_path: Path, register: Register) -> Workplace:
    """A workplace whose sender numbers its events; nobody is told yet."""
    (tmp_path / "formats").mkdir()
    (tmp_path / "formats" / "numbered.yaml").write_text(FORMAT)
    (tmp_path / "tieout.yaml").write_text(CONFIGURATION)
    return Workplace(
        load(tmp_path / "tieout.yaml", {}), register, Store(tmp_path / "store"), tmp_path
    )


def telling(place: Workplace, *targets: str, **more: Any) -> Workplace:
    """The same, with targets."""
    alerts = Alerts(targets=targets, cool_down_minutes=60, **more)
    return replace(place, settings=place.settings.model_copy(update={"alerts": alerts}))


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with webhook() as receiver:
        yield receiver


def address(receiver: Receiver) -> str:
    return f"json://127.0.0.1:{receiver.port}/{TOKEN}"


def late(place: Workplace, number: int, amount: str = "100.00", currency: str = "USD") -> None:
    """An invoice whose line in an extract is overdue since the day before."""
    ref = f"INV-{number}"
    due = NOW - timedelta(days=1)
    expect(place.register, "invoice", ref, "extract_line", due)
    with place.register.writing() as connection:
        c = subject.c
        values = {"amount": amount, "currency": currency}
        connection.execute(sa.update(subject).where(c.ref == ref).values(values))


def dead(event_id: str, amount: str, code: str = "unknown_account") -> NewEvent:
    problem = Problem("business", code, "'acct_x' is no entity's name", "add it to known_as")
    refs = {"payment": f"ch_{event_id}", "customer": "C-1"}
    return told(event_id, "payment.succeeded", refs, amount, state="dead", problem=problem)


def only(done: Notified, kind: str) -> Any:
    (alert,) = [one for one in done.alerts if one.kind == kind]
    return alert


def test_late_documents_are_named_with_customer_amount_and_totals(
    place: Workplace, hook: Receiver
) -> None:
    issued = told("e1", "invoice.issued", {"invoice": "INV-3", "customer": "C-9"}, feed="billing")
    put(place.register, issued)
    amounts = ["10.00", "20.00", "7000.00", "30.00", "40.00", "0.10", "0.20"]
    for number, amount in enumerate(amounts, 1):
        late(place, number, amount)
    late(place, 8, "55.5", "EUR")
    future = NOW + timedelta(seconds=1)
    expect(place.register, "invoice", "INV-9", "extract_line", future)
    expect(place.register, "invoice", "INV-3", "ledger_posting", NOW - timedelta(hours=1))
    done = notify(telling(place, address(hook)), NOW)
    lines, postings = only(done, "sla_breach").groups
    assert (lines.name, lines.count) == ("billing, extract line", 8)
    assert lines.totals == {"USD": Decimal("7100.30"), "EUR": Decimal("55.50")}
    assert [one.amount for one in lines.largest] == list(
        map(Decimal, ("55.5", "7000.00", "40.00", "30.00", "20.00"))
    )
    assert (postings.name, postings.count) == ("billing, ledger posting", 1)
    (post,) = hook.posts
    # The posting of INV-3 is late as well: its amount is not at stake twice.
    assert post["title"] == (
        "Acme: 8 documents late in the batch, 55.50 EUR, 7,100.30 USD at stake"
    )
    assert (
        "invoice INV-3 of customer C-9 (A), issued, 7,000.00 USD, since 2026-10-08 12:00 UTC"
        in (post["message"])
    )
    assert "and 3 more" in post["message"]


def test_dead_letters_are_grouped_by_what_is_wrong_with_the_remedy(
    place: Workplace, hook: Receiver
) -> None:
    put(
        place.register,
        dead("e1", "40.00"),
        dead("e2", "-2.50"),
        dead("e3", "1.00", "unmapped_type"),
        told("fine", "payment.succeeded", {"payment": "ch_ok"}),
    )
    done = notify(telling(place, address(hook)), NOW, ["dead_letters"])
    groups = only(done, "dead_letters").groups
    assert [(one.name, one.count, one.totals) for one in groups] == [
        ("psp, unknown_account", 2, {"USD": Decimal("42.50")}),
        ("psp, unmapped_type", 1, {"USD": Decimal("1.00")}),
    ]
    (post,) = hook.posts
    assert post["title"] == "Acme: 3 events in the dead letters, 43.50 USD at stake"
    assert "payment ch_e1, customer C-1 (event e1): 'acct_x' is no entity's name" in post["message"]
    assert "-> add it to known_as; `tieout events dead` lists them" in post["message"]


def test_a_gap_in_the_numbers_is_told_once_it_is_old_and_closes_late(place: Workplace) -> None:
    def numbered(*numbers: int) -> None:
        for n in numbers:
            one = told(f"n{n}", "payment.succeeded", {"payment": f"p{n}"})
            put(place.register, replace(one, envelope=replace(one.envelope, sequence=n)))

    def missing(after: timedelta) -> list[tuple[int, str]]:
        found = open_alerts(place, NOW + after, ["sequence_gap"])
        return [(g.count, g.largest[0].says) for one in found for g in one.groups]

    numbered(5, 6, 9, 8, 20)
    assert missing(timedelta(0)) == [], "what is on its way may still come"
    assert missing(timedelta(seconds=301)) == [(11, "numbers 7 to 7")]
    numbered(7, 15)
    assert missing(timedelta(seconds=302)) == [(9, "numbers 10 to 14")]
    numbered(*range(10, 20))
    assert missing(timedelta(days=1)) == []


def test_an_account_of_any_length_has_its_gaps(place: Workplace) -> None:
    for n in (1, 3):
        one = told(f"n{n}", "payment.succeeded", {"payment": f"p{n}"})
        named = replace(one.envelope, sequence=n, account="a" * 400)
        put(place.register, replace(one, envelope=named))
    assert open_alerts(place, NOW, ["sequence_gap"]) == []
    (alert,) = open_alerts(place, NOW + timedelta(hours=1), ["sequence_gap"])
    assert alert.groups[0].largest[0].says == "numbers 2 to 2"


def test_signatures_that_fail_are_told_from_the_bound_on(place: Workplace) -> None:
    rows = [
        ("psp", "bad_signature", NOW - timedelta(hours=1), 15),
        ("psp", "outside_window", NOW - timedelta(hours=1), 5),
        ("psp", "bad_signature", NOW, 19),
        ("psp", "too_large", NOW, 500),
        ("psp", "no_signature", NOW - timedelta(hours=2), 500),
    ]
    with place.register.writing() as connection:
        connection.execute(
            sa.insert(event_refusal),
            [
                {"feed": f, "reason": reason, "hour": hour, "times": times, "last_at": hour}
                for f, reason, hour, times in rows
            ],
        )
    (alert,) = open_alerts(place, NOW + timedelta(minutes=20), ["signature_failures"])
    assert [(one.name, one.count) for one in alert.groups] == [("psp", 20)]
    assert "15 bad_signature, 5 outside_window" in alert.groups[0].largest[0].says
    assert open_alerts(place, NOW + timedelta(hours=1), ["signature_failures"]) == []


def test_events_that_wait_too_long_are_told(place: Workplace) -> None:
    put(place.register, told("e1", "payment.succeeded", {"payment": "ch_1"}))
    with place.register.writing() as connection:
        connection.execute(sa.update(event).values(state="new", received_at=NOW))
    limit = timedelta(seconds=300)
    assert open_alerts(place, NOW + limit, ["lag"]) == []
    (alert,) = open_alerts(place, NOW + limit + timedelta(seconds=1), ["lag"])
    assert alert.groups[0].largest[0].since == NOW
    assert alert.count == 1


def test_told_at_once_then_after_the_cool_down_sooner_when_twice_as_many_and_once_resolved(
    place: Workplace, hook: Receiver
) -> None:
    telling_place = telling(place, address(hook))

    def tell(minutes: int) -> int:
        before = len(hook.posts)
        notify(telling_place, NOW + timedelta(minutes=minutes))
        return len(hook.posts) - before

    assert tell(0) == 0
    late(place, 1)
    late(place, 2)
    assert tell(1) == 1
    assert tell(2) == 0
    late(place, 3)
    assert tell(3) == 0, "three are not twice two"
    late(place, 4)
    assert tell(4) == 1
    assert tell(63) == 0
    assert tell(64) == 1, "still open after the cool-down"
    with place.register.writing() as connection:
        connection.execute(sa.update(expectation).values(state="met"))
    assert tell(65) == 1
    assert hook.posts[-1]["title"] == "Acme: resolved, nothing is late in the batch any more"
    assert hook.posts[-1]["type"] == "success"
    assert tell(66) == 0
    late(place, 5)
    assert tell(67) == 1, "what opens anew is told at once"


def test_a_target_that_fails_is_tried_again_and_the_other_is_not_told_twice(
    place: Workplace, hook: Receiver
) -> None:
    late(place, 1)
    with mail() as post:
        post.works = False
        to = f"mailto://127.0.0.1:{post.port}?from=tieout@a.example&to=oncall@a.example"
        both = telling(place, address(hook), to)
        first = notify(both, NOW)
        assert (len(first.messages), first.failed, len(hook.posts)) == (2, 1, 1)
        again = notify(both, NOW + timedelta(minutes=1))
        assert (len(again.messages), again.failed, len(hook.posts)) == (1, 1, 1)
        post.works = True
        last = notify(both, NOW + timedelta(minutes=2))
        assert (len(last.messages), last.failed, len(hook.posts)) == (1, 0, 1)
        (letter,) = post.mails
    assert letter["Subject"] == "Acme: 1 document late in the batch, 100.00 USD at stake"
    assert letter["To"] == "oncall@a.example"
    text = letter.get_body(("plain",))
    assert text is not None
    assert "invoice INV-1" in text.get_content()


def test_no_token_is_logged_told_or_kept(
    place: Workplace, hook: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    late(place, 1)
    hook.works = False
    with caplog.at_level(logging.DEBUG):
        done = notify(telling(place, address(hook), "json://127.0.0.1:1/" + TOKEN), NOW)
    assert done.failed == 2
    notes = json.dumps([place.register.notes(kind) for kind in (NOTE, "event_numbers")])
    kept = repr(place.settings) + repr(telling(place, address(hook)).settings)
    said = caplog.text + json.dumps(done.as_json()) + repr(done) + notes + kept
    assert TOKEN not in said
    assert str(hook.port) not in said


@pytest.mark.parametrize(
    "url",
    [
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#finance",
        "workflows://prod-1.westeurope.logic.example:443/643e2a6d/KlpbTmV3U2ln",
        "mailtos://user:password@mail.a.example?to=oncall@a.example",
        "jsons://alerts.a.example/tieout",
    ],
)
def test_the_forms_of_the_services_are_known(url: str) -> None:
    assert Target(Alerts(targets=(url,)).targets[0], 1).name


def test_an_address_of_no_use_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigurationError, match="target 3 is no address") as refused:
        Target(f"slack://{TOKEN}", 3)
    assert TOKEN not in str(refused.value)
    with pytest.raises(ValueError, match="target 1 begins with none of json, jsons"):
        Alerts(targets=("exec:///bin/sh",))


def test_targets_may_be_unset_and_then_nobody_is_told(place: Workplace, tmp_path: Path) -> None:
    late(place, 1)
    assert place.settings.alerts.known_targets == ()
    done = notify(place, NOW)
    assert (len(done.alerts), done.messages) == (1, ())
    known = load(tmp_path / "tieout.yaml", {"ALERT_MAIL": "mailtos://a.example"})
    assert known.alerts.known_targets == ("mailtos://a.example",)
    elsewhere = CONFIGURATION.replace("company: Acme", 'company: "${PSP_KEY}"')
    (tmp_path / "tieout.yaml").write_text(elsewhere)
    with pytest.raises(ConfigurationError, match="PSP_KEY is not set"):
        load(tmp_path / "tieout.yaml", {})


def test_the_command_shows_what_is_open_and_sends_only_when_asked(
    tmp_path: Path, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "formats").mkdir()
    (tmp_path / "formats" / "numbered.yaml").write_text(FORMAT)
    (tmp_path / "tieout.yaml").write_text(CONFIGURATION)
    monkeypatch.setenv("ALERT_HOOK", address(hook))
    home = tmp_path / "home"
    with Workplace.open(tmp_path / "tieout.yaml", home) as opened:
        put(opened.register, dead("e1", "40.00"))
    places = {"TIEOUT_CONFIG": str(tmp_path / "tieout.yaml"), "TIEOUT_HOME": str(home)}

    def run(*options: str) -> Any:
        return CliRunner().invoke(tieout, ["alerts", *options], env=places)

    shown = run()
    assert shown.exit_code == 0, shown.output
    assert "Acme: 1 event in the dead letters, 40.00 USD at stake" in shown.stdout
    assert "1 message would be sent with --send" in shown.stderr
    assert hook.posts == []
    hook.works = False
    failed = run("--send")
    assert (failed.exit_code, hook.posts) == (1, [])
    hook.works = True
    assert run("--send").exit_code == 0
    assert len(hook.posts) == 1
    told_json = json.loads(run("--json").stdout)
    assert [one["kind"] for one in told_json["alerts"]] == ["dead_letters"]
    assert told_json["messages"] == []
    assert set(KINDS) >= {"dead_letters"}
    assert TOKEN not in shown.output + failed.output
