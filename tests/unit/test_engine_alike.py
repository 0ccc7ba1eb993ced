"""Mangled references: what is suggested, to which line, and that arrival does not matter."""

from __future__ import annotations

import random
from datetime import date
from decimal import Decimal

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


@worlds.examples(8, phases=[Phase.generate])
@given(SEEDS)
def test_suggestions_are_those_of_the_oracle(seed: int) -> None:
    scenario = careless(seed, 40)
    expected = reference.reconcile(scenario.reconciliation, worlds.FEEDS, scenario.rows)
    found, *_ = all_at_once(scenario)
    worlds.assert_same(found, expected, scenario)


@worlds.examples(6, phases=[Phase.generate])
@given(SEEDS)
def test_suggestions_do_not_depend_on_the_order_of_arrival(seed: int) -> None:
    scenario = careless(seed, 15)
    pick = random.Random(seed + 1).choice
    steps = corrected_later(pick, portions(pick, scenario.deliveries))
    assert_same(step_by_step(scenario, steps), all_at_once(scenario), scenario)


def test_the_worlds_above_have_suggestions_ties_and_crowds() -> None:
    suggested, scores = 0, set()
    for seed in range(6):
        scenario = careless(seed, 40)
        for one in reference.reconcile(scenario.reconciliation, worlds.FEEDS, scenario.rows):
            if one.get("score") is not None:
                suggested += 1
                scores.add(one["score"])
    assert suggested > 10
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


def test_a_suggestion_is_told_of_both_lines_which_stay_open() -> None:
    rules = [
        {
            "name": "by_line",
            "shape": "one_to_one",
            "key": {"source": ["payment_ref"], "target": ["line_ref"]},
        }
    ]
    sides = {"source": {"feeds": ["psp"]}, "target": {"feeds": ["erp"]}}
    with worlds.world({"small": {**sides, "passes": rules}}) as world:
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
        "49.00 USD of 88161948 (psp, 2026-10-05) has no counterpart: none arrived by 2026-10-10. "
        "Suggested by by_line: 49.00 USD of G1 (erp, 2026-10-05); reference '88161948' resembles "
        "'8816-1984' (0.88), amount and currency equal."
    )
    assert (found.outcome, found.rule, found.match_ref) == ("break", "by_line", "P1")
    assert found.explanation == told["P1"].explanation
    assert "Suggested" not in told["P2"].explanation


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
