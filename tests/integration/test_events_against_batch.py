"""Events against the batch, a reconciliation like any other: run as in production, read back."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.cli import tieout
from pipelines.run import run_range
from tests.webhook_company import bill, charge, company, event, post, put, receive
from tieout.breaks import breaks
from tieout.events.apply import apply_waiting
from tieout.events.live import summary
from tieout.events.model import NewEvent, Problem
from tieout.lookup import find
from tieout.periods import Period
from tieout.register.register import now
from tieout.render import html, markdown, text
from tieout.statement import fingerprint, statements
from tieout.workplace import Workplace

DAY, END = date(2026, 10, 5), date(2026, 10, 8)
NAMES = ("payments_told", "invoices_told")


def _events() -> list[NewEvent]:
    """What was told: p1 is right, p2 was settled with another amount, p3 never was; of the senders'
    numbers 4 and 5 never came; one waits in the dead letters."""
    dead = Problem("business", "unknown_account", "it names no account", "name one")
    return [
        event("e1", DAY, number=1, minute=5),
        event("e2", DAY, ref="p2", amount="12.50", number=2, minute=9),
        event("e3", DAY, ref="p3", amount="7.00", number=3, minute=2),
        event("e6", DAY, type="invoice.issued", ref="I1", amount="30.00", number=6, minute=100),
        event("e7", DAY, type="invoice.issued", ref="I2", amount="9.00", number=7, minute=50),
        event("e8", DAY, type="invoice.issued", ref="I3", amount="1.00", number=8, minute=61),
        event("e9", DAY, ref="p8", state="dead", problem=dead, entity=None, number=9, minute=3),
        event("odd id", DAY, ref="p5", amount="2.00", number=10, minute=4),
    ]


@dataclass
class Worked:
    """A company after its batch ran."""

    config: Path
    home: Path


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Worked:
    """Events in the order they happened, then the batch over all days."""
    return _worked(tmp_path_factory.mktemp("told"), _events())


def _worked(folder: Path, events: list[NewEvent]) -> Worked:
    config, home = company(folder / "company"), folder / "home"
    with Workplace.open(config, home) as workplace:
        for one in events:
            receive(workplace.register, [one])
        apply_waiting(workplace.register, workplace.settings)
    # p9 and I9 were settled and billed, and no webhook told of them.
    charged = {"p1": "10.00", "p2": "12.05", "p5": "2.00", "p9": "3.00"}
    put(config, f"card/{DAY}.csv", [charge(p, a, DAY) for p, a in charged.items()])
    billed = [("I1", "10.00"), ("I1", "20.00"), ("I2", "8.00"), ("I9", "5.00")]
    lines = [bill(f"l{n}", invoice, a, DAY) for n, (invoice, a) in enumerate(billed)]
    put(config, f"bills/{DAY}.csv", lines)
    put(config, f"card/{END}.csv", [charge("p99", "1.00", END)])
    put(config, f"bills/{END}.csv", [bill("l99", "I99", "1.00", END)])
    post(config, DAY, {"p1": "10.00"})
    done = run_range(config, home, DAY, END)
    assert done.success, done.failed
    return Worked(config, home)


@pytest.fixture
def workplace(worked: Worked) -> Iterator[Workplace]:
    with Workplace.open(worked.config, worked.home) as opened:
        yield opened


def _found(workplace: Workplace, name: str) -> set[tuple[str, str, Decimal]]:
    found = breaks(workplace, name, Period(DAY, DAY))
    return {(b.break_class, b.ref or "", b.amount) for b in found if b.amount}


def test_each_difference_between_events_and_batch_is_a_break_of_its_class(
    workplace: Workplace,
) -> None:
    assert _found(workplace, "payments_told") == {
        ("amount_mismatch", "p2", Decimal("12.50")),
        ("amount_mismatch", "p2", Decimal("12.05")),
        ("missing_in_target", "p3", Decimal("7.00")),
        ("missing_in_source", "p9", Decimal("3.00")),
    }
    assert _found(workplace, "invoices_told") == {
        ("amount_mismatch", "I2", Decimal("8.00")),
        ("amount_mismatch", "I2", Decimal("9.00")),
        ("missing_in_target", "I9", Decimal("5.00")),
        ("missing_in_source", "I3", Decimal("1.00")),
    }


def test_every_event_is_explained_and_the_dead_letter_counted(workplace: Workplace) -> None:
    for name in NAMES:
        given = statements(workplace, name, Period(DAY, DAY))
        assert all(one.holds for one in given)
    (told,) = (
        one
        for one in statements(workplace, "payments_told", Period(DAY, DAY))
        if one.side == "source" and one.entity == "NL"
    )
    figures = {row: (figure.count, figure.amount) for row, figure in told.rows.items()}
    assert figures["accepted"] == (4, Decimal("31.50"))
    assert figures["matched"] == (2, Decimal("12.00"))
    assert figures["breaks"] == (2, Decimal("19.50"))
    assert told.delivery["sequence_gap"].count == 1


def test_the_watermark_stands_on_every_statement(workplace: Workplace) -> None:
    expected = {
        "feed": "events",
        "events": 8,
        "last_event": "2026-10-05T01:40:00+00:00",
        "dead_letters": 1,
        "gaps": [{"account": "acct_nl", "first": 4, "last": 5, "missing": 2}],
    }
    sentence = (
        "events: 8 events, the last at 2026-10-05 01:40:00 UTC; never came: acct_nl 4 to 5 (2);"
        " 1 dead letter."
    )
    for name in NAMES:
        for period in (Period(DAY, DAY), Period(date(2026, 10, 1), date(2026, 10, 31))):
            given = statements(workplace, name, period)
            assert {json.dumps(s.as_json().get("watermarks")) for s in given} == {
                json.dumps([expected])
            }
            assert sentence in text.statements(given).replace("\n", " ")
            assert sentence in html.report(given, [], title="t")
            assert "; 1 dead letter." in markdown.statements(given)
    assert all(
        "watermarks" not in one.as_json()
        for one in statements(workplace, "card_to_ledger", Period(DAY, DAY))
    )


def test_what_was_expected_is_met_by_the_run(workplace: Workplace) -> None:
    with workplace.register.reading() as connection:
        at = now(connection)
    found = summary(workplace.register, workplace.settings, at, days=1000)["expectations"]
    still = {(one["kind"], one["what"]): one["open"]["count"] for one in found}
    # p3 has no line; p2, p3 and p5 are not posted; I3 has no line.
    assert still == {
        ("payment", "extract_line"): 1,
        ("payment", "ledger_posting"): 3,
        ("invoice", "extract_line"): 1,
    }


def test_an_event_is_found_by_its_own_id_and_by_what_it_is_about(workplace: Workplace) -> None:
    for ref in ("p2", "e2"):
        (line,) = (one for one in find(workplace, ref).lines if one.feed == "events")
        assert line.line_id == "e2"
        assert "amount" in line.outcomes[0].explanation
    assert [one.details["payment_ref"] for one in find(workplace, "odd id").lines] == ["p5", "p5"]


def test_statements_do_not_depend_on_the_order_of_arrival(worked: Worked, tmp_path: Path) -> None:
    events = _events()
    mixed = random.Random(8).sample([*events, *events[:4]], 12)
    other = _worked(tmp_path, mixed)
    prints = []
    for one in (worked, other):
        with Workplace.open(one.config, one.home) as workplace:
            months = Period(date(2026, 10, 1), date(2026, 10, 31))
            prints.append([fingerprint(statements(workplace, name, months)) for name in NAMES])
    assert prints[0] == prints[1]


def test_the_command_line_shows_the_watermark(worked: Worked) -> None:
    places = {"TIEOUT_CONFIG": str(worked.config), "TIEOUT_HOME": str(worked.home)}
    asked = ["statement", "payments_told", "--period", str(DAY)]
    done = CliRunner().invoke(tieout, asked, env=places)
    assert done.exit_code == 0, done.output
    assert "the last at 2026-10-05 01:40:00 UTC" in done.output
