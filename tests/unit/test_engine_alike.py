"""Mangled references: what is suggested, to which line, and that arrival does not matter."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st

from tests import reference, reference_alike, scenarios, worlds
from tests.scenarios import MANGLED, Row, Scenario
from tests.unit.test_engine_arrival import (
    all_at_once,
    assert_same,
    corrected_later,
    portions,
    step_by_step,
)
from tieout.breaks import breaks
from tieout.lookup import find
from tieout.periods import parse_period

SEEDS = st.integers(min_value=0, max_value=2**32)
SMALL: dict[str, Any] = {
    "source": {"feeds": ["psp"]},
    "target": {"feeds": ["erp"]},
    "passes": [
        {
            "name": "by_line",
            "shape": "one_to_one",
            "key": {"source": ["payment_ref"], "target": ["line_ref"]},
        }
    ],
}
DAY = "2026-10-05"
PAIRS = ("settlement_to_ledger", "invoice_to_ledger", "settlement_to_settlement")


def careless(seed: int, number: int) -> Scenario:
    """Worlds in which references are seldom written as they were."""
    pick = random.Random(seed).choice
    return scenarios.crowd(
        pick,
        number,
        PAIRS,
        ("one_to_one", "one_to_one", "many_to_one"),
        keys=pick([MANGLED, MANGLED[:6]]),
        slips=(False, True),
    )


@worlds.examples(4, phases=[Phase.generate])
@given(SEEDS)
def test_suggestions_are_those_of_the_oracle(seed: int) -> None:
    scenario = careless(seed, 40)
    expected = reference.reconcile(scenario.reconciliation, worlds.FEEDS, scenario.rows)
    found, *_ = all_at_once(scenario)
    worlds.assert_same(found, expected, scenario)


@worlds.examples(2, phases=[Phase.generate])
@given(SEEDS)
def test_suggestions_do_not_depend_on_the_order_of_arrival(seed: int) -> None:
    scenario = careless(seed, 15)
    pick = random.Random(seed + 1).choice
    steps = corrected_later(pick, portions(pick, scenario.deliveries))
    assert_same(step_by_step(scenario, steps), all_at_once(scenario), scenario)


def test_the_worlds_above_have_suggestions() -> None:
    suggested, scores = 0, set()
    for seed in range(12):
        scenario = careless(seed, 40)
        for one in reference.reconcile(scenario.reconciliation, worlds.FEEDS, scenario.rows):
            if one.get("score") is not None:
                suggested += 1
                scores.add(one["score"])
    assert suggested > 20
    assert len(scores) > 3


@pytest.mark.parametrize(
    ("one", "other", "score"),
    [
        ("INV-00123", "INV-0123", "1"),  # zeros in front do not count
        ("INV-2026-42", "inv 2026/42", "1"),
        ("8816194829190754", "8816194829190574", "0.9375"),  # two neighbours exchanged: one edit
        ("8816194829190754", "881619482910754", "0.9375"),  # one too few
        ("8816194829190754", "8816194829199999", "0.75"),
        ("INV-7001234", "INV-700123", "0.9"),
        ("SUB-77", "SUB-78", "0.8"),
        ("CA", "ABC", "0.3333"),  # Damerau's own distance: 2, not 3
        ("--", "--", "0"),
    ],
)
def test_the_oracle_measures_likeness_as_by_hand(one: str, other: str, score: str) -> None:
    found = reference_alike.likeness(one, other)
    assert found == Decimal(score) or abs(found - Decimal(score)) < Decimal("0.0001")


def suggestions(sources: Sequence[Row], targets: Sequence[Row]) -> dict[str, str]:
    """Line -> the line it may be matched with."""
    with worlds.world({"small": SMALL}) as world:
        world.deliver({("psp", DAY): sources, ("erp", DAY): targets})
        world.reconcile("small")
        found = world.outcomes("small")
    return {one["line_id"]: one["counterpart"] for one in found if one["score"] is not None}


def test_of_two_that_are_equally_alike_none_is_suggested() -> None:
    typed = [posting("G1", "REF-77001X")]
    assert suggestions([payment("P1", "REF-77001")], typed) == {"P1": "G1", "G1": "P1"}
    nearer = [payment("P1", "REF-77001"), payment("P2", "REF-77001XY")]
    # One edit of ten characters is less than one of nine.
    assert suggestions(nearer, typed) == {"P2": "G1", "G1": "P2"}
    twins = [payment("P1", "REF-77001Z"), payment("P2", "REF-77001Y")]
    assert suggestions(twins, typed) == {}


def test_another_amount_currency_entity_or_day_is_not_suggested() -> None:
    right = posting("G1", "REF-77001X")
    wrong: list[Row] = [
        {"amount": Decimal("49.01")},
        {"currency": "EUR"},
        {"entity": "B"},
        {"period": date(2026, 10, 11)},
        {"period": date(2026, 10, 3)},
    ]
    assert suggestions([payment("P1", "REF-77001")], [right])
    for change in wrong:
        assert suggestions([payment("P1", "REF-77001")], [right | change]) == {}, change


def test_where_many_equal_lines_are_open_nothing_is_suggested() -> None:
    others = [payment(f"Q{n}", f"{n}{n}-OTHER") for n in range(11, 30)]
    found = suggestions([payment("P1", "REF-77001"), *others], [posting("G1", "REF-77001X")])
    assert found == {"P1": "G1", "G1": "P1"}
    others.append(payment("Q30", "3030-OTHER"))
    assert not suggestions([payment("P1", "REF-77001"), *others], [posting("G1", "REF-77001X")])


def test_a_suggestion_is_told_of_both_lines_which_stay_open() -> None:
    with worlds.world({"small": SMALL}) as world:
        world.deliver({("psp", DAY): [payment("P1", "88161948"), payment("P2", "88161950")]})
        world.deliver({("erp", DAY): [posting("G1", "8816-1984"), posting("G2", "99999999")]})
        world.deliver({("psp", "2026-12-01"): [], ("erp", "2026-12-01"): []})
        world.reconcile("small")
        told = {b.line_id: b for b in breaks(world.workplace, "small", parse_period("2026-10"))}
        found = find(world.workplace, "P1").lines[0].outcomes[0]
    assert {b.line_id: b.break_class for b in told.values()} == {
        "P1": "missing_in_target",
        "P2": "missing_in_target",
        "G1": "missing_in_source",
        "G2": "missing_in_source",
    }
    assert [told[line].counterpart for line in ("P1", "G1", "P2", "G2")] == ["G1", "P1", None, None]
    assert told["P1"].explanation == (
        "49.00 USD of 88161948 (psp, 2026-10-05) has no counterpart that is certain; pass by_line "
        "suggests 49.00 USD of G1 (erp, 2026-10-05) (reference '88161948' resembles '8816-1984' "
        "(0.88), amount and currency equal). Accept or reject it with `tieout decide`."
    )
    assert (found.outcome, found.rule, found.match_ref) == ("break", "by_line", "P1")
    assert found.explanation == told["P1"].explanation
    assert "suggests" not in told["P2"].explanation


def payment(line_id: str, ref: str) -> Row:
    return {**common(line_id), "category": "charge", "payment_ref": ref}


def posting(line_id: str, ref: str) -> Row:
    account = {"account": "1090", "account_class": "clearing", "journal_ref": line_id}
    return {**common(line_id), **account, "line_ref": ref}


def common(line_id: str) -> Row:
    return {
        "line_id": line_id,
        "extract_sha256": worlds.extract_sha256(line_id),
        "row_number": 1,
        "entity": "A",
        "currency": "USD",
        "amount": Decimal("49"),
        "occurred_on": date(2026, 10, 5),
        "period": date(2026, 10, 5),
    }
