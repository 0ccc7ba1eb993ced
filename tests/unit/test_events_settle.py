"""What events let one expect is met by the published lines and matches, whichever comes first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.webhook_company import bill, charge, company, event, post, put, receive
from tieout.events.apply import apply_waiting
from tieout.events.settle import settle
from tieout.extracts import take_in
from tieout.lines.ingest import refresh_lines
from tieout.matching.reconcile import reconcile
from tieout.register.eventtables import expectation
from tieout.workplace import Workplace

DAY = date(2026, 10, 5)
LATER = DAY + timedelta(days=1)


@pytest.fixture
def workplace(tmp_path: Path, register_url: str) -> Iterator[Workplace]:
    config = company(tmp_path / "company", register_url)
    with Workplace.open(config, tmp_path / "home") as opened:
        yield opened


def _batch(workplace: Workplace, run: str) -> int:
    """Take everything in, match and settle, as the pipeline does."""
    days = [str(DAY), str(LATER)]
    for feed in ("card", "bills", "ledger"):
        take_in(workplace, feed, days)
        refresh_lines(workplace, feed, days, run_id=run)
    reconcile(workplace, "card_to_ledger", run_id=run)
    return settle(workplace, run_id=run)


def _states(workplace: Workplace) -> dict[tuple[str, str], tuple[str, str | None, str | None]]:
    e = expectation.c
    with workplace.register.reading() as connection:
        rows = connection.execute(sa.select(e.ref, e.what, e.state, e.met_on, e.met_by))
        return {
            (ref, what): (state, None if on is None else str(on), by)
            for ref, what, state, on, by in rows
        }


def _tell(workplace: Workplace, *refs: str) -> None:
    receive(workplace.register, [event(f"e-{ref}", DAY, ref=ref) for ref in refs])
    apply_waiting(workplace.register, workplace.settings)


OPEN = ("open", None, None)


def test_lines_and_postings_meet_what_is_expected(workplace: Workplace) -> None:
    config = workplace.settings.base / "tieout.yaml"
    _tell(workplace, "p1", "p2")
    assert _batch(workplace, "first") == 0
    put(config, f"card/{DAY}.csv", [charge("p1", "10.00", DAY), charge("p7", "1.00", DAY)])
    assert _batch(workplace, "second") == 1
    assert _states(workplace) == {
        ("p1", "extract_line"): ("met", str(DAY), "card/c-p1"),
        ("p1", "ledger_posting"): OPEN,
        ("p2", "extract_line"): OPEN,
        ("p2", "ledger_posting"): OPEN,
    }
    post(config, LATER, {"p1": "10.00"})
    assert _batch(workplace, "third") == 1
    # A posting is met on the day by which all of the match was there.
    assert _states(workplace)["p1", "ledger_posting"] == (
        "met",
        str(LATER),
        "card_to_ledger/by_payment",
    )
    assert _batch(workplace, "fourth") == 0


def test_an_event_that_comes_after_its_line_and_posting(workplace: Workplace) -> None:
    config = workplace.settings.base / "tieout.yaml"
    put(config, f"card/{DAY}.csv", [charge("p1", "10.00", DAY)])
    post(config, DAY, {"p1": "10.00"})
    _tell(workplace, "p0")
    assert _batch(workplace, "first") == 0
    _tell(workplace, "p1")
    assert settle(workplace) == 2
    assert {s for (ref, _), (s, *_) in _states(workplace).items() if ref == "p1"} == {"met"}


def test_a_posting_needs_every_line_to_be_matched(workplace: Workplace) -> None:
    config = workplace.settings.base / "tieout.yaml"
    _tell(workplace, "p1")
    twice = [charge("p1", "10.00", DAY), {**charge("p1", "4.00", DAY), "id": "c-p1-more"}]
    put(config, f"card/{DAY}.csv", twice)
    post(config, DAY, {"p1": "10.00"})
    assert _batch(workplace, "first") == 1
    assert _states(workplace)["p1", "ledger_posting"] == OPEN
    post(config, LATER, {"p1": "4.00"})
    assert _batch(workplace, "second") == 1
    assert _states(workplace)["p1", "ledger_posting"][0] == "met"


def test_a_line_of_another_entity_meets_nothing(workplace: Workplace) -> None:
    config = workplace.settings.base / "tieout.yaml"
    _tell(workplace, "p1")
    put(config, f"card/{DAY}.csv", [{**charge("p1", "10.00", DAY), "entity": "US"}])
    assert _batch(workplace, "first") == 0


def test_what_is_cancelled_and_told_again_is_looked_for_again(workplace: Workplace) -> None:
    config = workplace.settings.base / "tieout.yaml"
    put(config, f"bills/{DAY}.csv", [bill("l1", "I1", "5.00", DAY)])
    issued = event("e1", DAY, type="invoice.issued", ref="I1")
    receive(workplace.register, [event("e0", DAY, type="payment.failed", ref="p1", amount=None)])
    apply_waiting(workplace.register, workplace.settings)
    assert _batch(workplace, "first") == 0
    assert _states(workplace)["p1", "extract_line"][0] == "cancelled"
    put(config, f"card/{DAY}.csv", [charge("p1", "10.00", DAY)])
    receive(workplace.register, [issued])
    apply_waiting(workplace.register, workplace.settings)
    assert _batch(workplace, "second") == 1
    # It had failed when its line was looked at; now it has succeeded.
    receive(workplace.register, [event("e2", DAY, ref="p1", minute=5)])
    apply_waiting(workplace.register, workplace.settings)
    assert settle(workplace) == 1
    assert _states(workplace)["p1", "extract_line"][0] == "met"
