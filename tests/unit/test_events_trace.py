"""One time line of an order across systems, from events put into the inbox and lines delivered.

What each trace must say was worked out by hand from the story that the test tells.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from pipelines.cli import tieout
from tests.worlds import World, extract_sha256, world
from tieout.events import inbox
from tieout.events.evidence import events as events_of
from tieout.events.model import Envelope, NewEvent, Problem
from tieout.events.trace import MOST_REFS, trace
from tieout.events.traced import Answer, Trace
from tieout.register.eventtables import event, event_action, event_ref, expectation, subject
from tieout.register.register import Register
from tieout.render import trace as rendering

DAY = date(2026, 10, 5)
NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=9)
RULES: dict[str, Any] = {
    "settlement_to_ledger": {
        "source": {"feeds": ["psp"]},
        "target": {"feeds": ["erp"], "where": {"account_class": ["clearing"]}},
        "timing_days": [-1, 2],
        "passes": [
            {
                "name": "by_line",
                "shape": "one_to_one",
                "key": {"source": ["line_id"], "target": ["line_ref"]},
            }
        ],
    },
    "invoice_to_ledger": {
        "source": {"feeds": ["billing"]},
        "target": {"feeds": ["erp"], "where": {"account_class": ["revenue"]}, "sign": -1},
        "timing_days": [-1, 2],
        "passes": [
            {
                "name": "by_item",
                "shape": "one_to_one",
                "key": {"source": ["line_id"], "target": ["line_ref"]},
            }
        ],
    },
}


def told(
    event_id: str, type_: str, refs: dict[str, str], amount: str | None = "100.00", **more: Any
) -> NewEvent:
    """An event as the intake stores it."""
    kind = type_.partition(".")[0]
    envelope = Envelope(
        source_type=type_,
        version=None,
        type=type_,
        occurred_at=more.pop("at", NOON),
        entity="A",
        account=None,
        refs=refs,
        subject_kind=kind,
        subject_ref=refs[kind],
        amount=amount,
        currency="USD" if amount else None,
        correlation_id=refs[kind],
        sequence=None,
    )
    feed = more.pop("feed", "psp")
    return NewEvent(feed, event_id, b"{}", event_id, {}, envelope, more.pop("state", "new"), **more)


def put(register: Register, *events: NewEvent) -> list[int]:
    """Store events, and apply their references as the applier does."""
    with register.writing() as connection:
        stored = inbox.store(connection, events)
        for one, at in zip(events, stored, strict=True):
            if at.outcome == "new" and one.state == "new":
                connection.execute(
                    sa.insert(event_ref),
                    [
                        {"ref": ref, "kind": kind, "sequence": at.sequence}
                        for kind, ref in one.envelope.refs.items()
                    ],
                )
                c = event.c
                done = sa.update(event).where(c.sequence == at.sequence).values(state="applied")
                connection.execute(done)
    return [at.sequence for at in stored]


def expect(register: Register, kind: str, ref: str, what: str, due: datetime, **more: Any) -> None:
    """A subject and what is expected of it."""
    who = {"entity": "A", "kind": kind, "ref": ref}
    row = {
        **who,
        "state": more.pop("subject_state", "issued"),
        "amount": "100.00",
        "currency": "USD",
        "correlation_id": ref,
        "feed": "billing",
        "events": 1,
        "first_at": NOON,
        "last_at": NOON,
        "figures": {"issued": "100.00"},
    }
    awaited = {**who, "what": what, "due": due, "state": "open", "met_on": None, "met_by": None}
    with register.writing() as connection:
        known = sa.select(subject.c.ref).where(subject.c.kind == kind, subject.c.ref == ref)
        if connection.execute(known).first() is None:
            connection.execute(sa.insert(subject), row)
        connection.execute(sa.insert(expectation), awaited | more)


def line(feed: str, line_id: str, amount: str, **more: Any) -> dict[str, Any]:
    return {
        "line_id": line_id,
        "extract_sha256": extract_sha256(feed),
        "row_number": 1,
        "entity": "A",
        "currency": "USD",
        "amount": Decimal(amount),
        "period": DAY,
        **more,
    }


PAID = {"payment_ref": "ch_1", "invoice_ref": "INV-1", "settlement_batch": "po_1"}


@pytest.fixture
def small() -> Iterator[World]:
    """An invoice that is booked, its payment that is booked, its payout that is not."""
    with world(RULES) as made:
        others = [
            line("psp", f"x_{n}", "1.00", category="charge", settlement_batch="po_1")
            for n in range(3)
        ]
        settled = [
            line("psp", "t_1", "100.00", category="charge", **PAID),
            line("psp", "t_1:fee", "-3.00", category="fee", **PAID),
            line("psp", "t_po", "-100.00", category="payout", settlement_batch="po_1")
            | {"payment_ref": "po_1"},
            *others,
        ]
        billed = [
            line("billing", "II-1", "90.00", invoice_ref="INV-1", line_type="charge"),
            line("billing", "II-2", "-10.00", invoice_ref="INV-2", line_type="credit"),
        ]
        ledger = [
            line("erp", "je_1", "100.00", account_class="clearing", line_ref="t_1"),
            line("erp", "je_2", "-3.00", account_class="clearing", line_ref="t_1:fee"),
            line("erp", "je_4", "-90.00", account_class="revenue", line_ref="II-1"),
            *(
                line("erp", f"je_x{n}", "1.00", account_class="clearing", line_ref=f"x_{n}")
                for n in range(3)
            ),
        ]
        end = {(feed, "2026-10-12"): [] for feed in ("psp", "billing", "erp")}
        day = str(DAY)
        made.deliver({("psp", day): settled, ("billing", day): billed, ("erp", day): ledger, **end})
        made.reconcile("settlement_to_ledger")
        made.reconcile("invoice_to_ledger")
        yield made


@pytest.fixture
def run(small: World) -> Callable[..., Result]:
    home = small.workplace.home
    config = home / "tieout.yaml"
    config.write_text(
        small.workplace.settings.model_dump_json(exclude_none=True, exclude_defaults=True)
    )
    places = {"TIEOUT_CONFIG": str(config), "TIEOUT_HOME": str(home)}
    return lambda *arguments: CliRunner().invoke(tieout, ["trace", *arguments], env=places)


def answers(found: Trace) -> dict[str, Answer]:
    words = ("invoiced", "credit", "settle", "payout")
    return {word: one for one in found.verdict for word in words if word in one.question}


def test_an_invoice_leads_to_its_payment_and_its_payout(small: World) -> None:
    register = small.workplace.register
    put(
        register,
        told("e1", "invoice.issued", {"invoice": "INV-1", "customer": "C-1"}, feed="billing"),
        told("e2", "payment.succeeded", {"payment": "ch_1", "invoice": "INV-1"}),
        told("e3", "payout.paid", {"payout": "po_1"}),
        told("e9", "invoice.issued", {"invoice": "INV-9", "customer": "C-1"}, feed="billing"),
    )
    found = trace(small.workplace, "INV-1", LATER)
    assert {"ch_1", "po_1"} <= set(found.followed)
    assert "INV-9" not in found.followed, "a customer's other orders are not this order"
    of = {(s.kind, s.ref) for s in found.steps}
    assert {("event", "e1"), ("event", "e2"), ("event", "e3")} <= of
    assert {("line", "II-1"), ("line", "t_1"), ("line", "t_po"), ("line", "je_4")} <= of
    assert not any(ref.startswith("x_") for _, ref in of), "other payments of the payout"
    assert found.batches == ("po_1 carries 5 other lines: 5 matched",)
    by = answers(found)
    assert {word: one.answer for word, one in by.items()} == {
        "invoiced": "yes",
        "settle": "yes",
        "payout": "failed",
    }
    booked = "Invoiced as INV-1 on 2026-10-05: 90.00 USD; posted in the ledger."
    assert by["invoiced"].says == booked
    assert by["settle"].says == "Settled in po_1: 100.00 USD; posted in the ledger."
    assert "did not post as it should" in by["payout"].says


@pytest.mark.parametrize("ref", ["ch_1", "t_1", "po_1", "e2"])
def test_any_of_its_references_finds_the_order(small: World, ref: str) -> None:
    put(
        small.workplace.register,
        told("e2", "payment.succeeded", {"payment": "ch_1", "invoice": "INV-1"}),
        told("e3", "payout.paid", {"payout": "po_1"}),
    )
    found = trace(small.workplace, ref, LATER)
    steps = {one.ref for one in found.steps}
    assert "e3" in steps
    assert ("II-1" in steps) == (ref != "po_1"), "a payout is not followed into its payments"


def test_steps_are_in_order_and_each_match_is_told_once(small: World) -> None:
    found = trace(small.workplace, "ch_1", LATER)
    assert [one.day for one in found.steps] == sorted(one.day for one in found.steps)
    matched = [one for one in found.steps if (one.facts or {}).get("outcome") == "matched"]
    told_of = [(one.system, one.says) for one in matched]
    assert len(told_of) == len(set(told_of)) == 3  # the charge, its fee, the invoice line
    assert all("stands in the statement" in one.notes[0] for one in matched)
    assert matched[0].notes[0].endswith("invoice_to_ledger 2026-10 A USD")


def test_a_credit_that_never_reached_the_ledger(small: World) -> None:
    found = trace(small.workplace, "INV-2", LATER)
    credit = answers(found)["credit"]
    assert credit.answer == "failed"
    assert credit.says.startswith("Credited -10.00 USD; 1 of 1 line did not post as it should")
    (broken,) = [one for one in found.steps if one.wrong]
    assert broken.says.startswith("missing_in_target, open since 2026-10-05")


def test_what_only_an_event_says_is_announced_and_overdue_by_its_due_date(small: World) -> None:
    register = small.workplace.register
    put(register, told("e5", "invoice.issued", {"invoice": "INV-5"}, feed="billing"))
    due = NOON + timedelta(hours=30)
    expect(register, "invoice", "INV-5", "extract_line", due)
    expect(register, "invoice", "INV-5", "ledger_posting", due + timedelta(days=3))
    early = trace(small.workplace, "INV-5", due)
    assert early.verdict[0].answer == "waiting"
    assert "billing announced the invoice on 2026-10-05" in early.verdict[0].says
    late = trace(small.workplace, "INV-5", due + timedelta(seconds=1))
    assert [one.overdue for one in late.awaited] == [True, False]
    assert late.verdict[0].answer == "failed"
    assert "overdue since 2026-10-06 18:00 UTC" in late.verdict[0].says


def test_a_row_that_was_refused_failed_before_invoicing(small: World) -> None:
    row = {
        "extract_sha256": extract_sha256("bad"),
        "row_number": 7,
        "file": "billing.csv",
        "line_id": "II-7",
        "currency": "USD",
        "amount": Decimal("12.00"),
        "period": DAY,
        "reason": "unknown_currency",
        "message": "USX is no currency",
        "remedy": "have it corrected",
        "row": '{"Invoice Number": "INV-7"}',
    }
    small.beside("quarantine", "billing", str(DAY), [row])
    (answer,) = trace(small.workplace, "INV-7", LATER).verdict
    assert answer.answer == "failed"
    assert "row 7 of billing.csv was refused (USX is no currency)" in answer.says


def test_a_dead_letter_says_why_and_what_to_do(small: World) -> None:
    register = small.workplace.register
    problem = Problem("business", "unknown_account", "'acct_x' is no entity's name", "add it")
    dead = told("e6", "payment.succeeded", {"payment": "ch_6"}, state="dead", problem=problem)
    (sequence,) = put(register, dead)
    put(register, dead, dead)
    put(register, replace(dead, body=b"{ }", body_sha256="other"))
    action = {
        "sequence": sequence,
        "feed": "psp",
        "action": "replay",
        "who": "kim",
        "reason": "account added",
        "done_at": NOON + timedelta(hours=2),
        "before": {},
        "after": {},
    }
    with register.writing() as connection:
        connection.execute(sa.insert(event_action), action)
    found = trace(small.workplace, "ch_6", LATER)
    step, acted = found.steps
    assert step.wrong
    facts = step.facts or {}
    assert (facts["state"], facts["duplicates"], facts["conflicts"]) == ("dead", 2, 1)
    assert any("add it" in note for note in step.notes)
    assert acted.says == "replay by kim: account added"
    assert "dead letters: 'acct_x' is no entity's name; add it" in found.verdict[-1].says
    assert not any("settle" in one.question for one in found.verdict), "a dead event is not told"


def test_what_is_too_much_is_counted(small: World) -> None:
    many = [
        told(f"m{n}", "payment.succeeded", {"payment": f"p{n}", "customer": "C-7"})
        for n in range(250)
    ]
    put(small.workplace.register, *many)
    found = trace(small.workplace, "C-7", LATER)
    assert len([one for one in found.steps if one.kind == "event"]) == 200
    assert found.left_out["events"] >= 50
    assert len(found.followed) == MOST_REFS - 1
    assert found.left_out["references"] >= 200 - MOST_REFS
    assert "Not shown:" in rendering.text(found)


def test_events_are_found_on_both_databases(register: Register) -> None:
    put(register, told("e1", "payment.succeeded", {"payment": "a", "invoice": "b"}))
    put(register, told("e2", "payment.refunded", {"payment": "c", "invoice": "b"}, "-5.00"))
    with register.reading() as connection:
        found, more = events_of(connection, ["b"], ["psp"], 1)
        by_id, none = events_of(connection, ["e2"], ["psp"], 5)
    assert ([one.event_id for one in found], more) == (["e1"], 1)
    assert ([one.event_id for one in by_id], none) == (["e2"], 0)
    assert found[0].received_at.tzinfo is not None


def test_the_command_prints_json_and_a_page_and_tells_an_unknown_reference(
    small: World, run: Callable[..., Result], tmp_path: Any
) -> None:
    evil = "INV-1</td><script>alert(1)</script>"
    put(
        small.workplace.register,
        told("e1\x1b[31m", "invoice.issued", {"invoice": "INV-1", "usage": evil}, feed="billing"),
        told(evil, "invoice.paid", {"invoice": "INV-1"}, feed="billing"),
    )
    text = run("INV-1")
    assert text.exit_code == 0, text.output
    assert "\x1b" not in text.stdout
    assert "Did the payment settle and post? yes." in text.stdout
    shown = json.loads(run("INV-1", "--json").stdout)
    assert shown == json.loads(json.dumps(shown, allow_nan=False))
    assert {"verdict", "steps", "awaited", "followed", "left_out"} <= set(shown)
    page = tmp_path / "trace.html"
    assert run("INV-1", "--html", str(page)).exit_code == 0
    html = page.read_text(encoding="utf-8")
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "http" not in html.replace("http-equiv", "")
    unknown = run("INV-nobody")
    assert unknown.exit_code == 1
    assert unknown.stdout == ""
    assert "neither of events nor of lines" in unknown.stderr
