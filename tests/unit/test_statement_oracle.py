"""Statements against the oracle, and what must hold of every one of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import Phase, given
from hypothesis import strategies as st

from tests import reference, reference_statement, scenarios, worlds
from tests.scenarios import Scenario
from tieout.model import Figure, Statement
from tieout.periods import Period, month_of
from tieout.statement import statements_of

DAYS = [scenarios.START + timedelta(days=n) for n in range(-2, scenarios.DAYS + 6)]
PERIODS = [Period(day, day) for day in DAYS] + sorted({month_of(day) for day in DAYS})

Found = dict[Period, list[Statement]]


def through_of(scenario: Scenario) -> dict[str, date]:
    windows: dict[str, list[str]] = {}
    for feed, window in scenario.deliveries:
        windows.setdefault(feed, []).append(window)
    return {
        side: reference_statement.delivered_through(windows, scenario.reconciliation[side]["feeds"])
        for side in ("source", "target")
    }


def figures(told: dict[str, Figure]) -> dict[str, tuple[int, Decimal]]:
    return {name: (figure.count, figure.amount) for name, figure in told.items()}


def assert_as_the_oracle_says(
    found: Found, outcomes: Sequence[Any], through: dict[str, date], told: str
) -> None:
    for period, made in found.items():
        expected = reference_statement.statements(outcomes, period.first, period.last, through)
        assert {(s.entity, s.currency, s.side) for s in made} == set(expected), told
        for one in made:
            here = {
                "rows": figures(one.rows),
                "breaks_by_class": figures(one.breaks_by_class),
                "open_items": figures(one.open_items),
                "ageing": figures(one.ageing),
                "completeness": one.completeness,
            }
            wanted = expected[one.entity, one.currency, one.side]
            assert here == wanted, f"{period} {one.entity} {one.currency} {one.side}\n{told}"


def assert_they_hold(found: Found) -> None:
    """Nothing unexplained, every line once, and what closes a day opens the next."""
    closing: dict[tuple[str, ...], Figure] = {}
    for period, made in sorted(found.items()):
        for one in made:
            rows, items = one.rows, one.open_items
            assert one.holds, one
            assert (
                rows["accepted"]
                == rows["matched"] + rows["matched_in_transit"] + rows["timing"] + rows["breaks"]
            )
            assert items["opening"] + items["new"] - items["cleared"] == items["closing"]
            assert sum(one.ageing.values(), Figure()) == items["closing"]
            assert sum(one.breaks_by_class.values(), Figure()) == rows["breaks"]
            place = (one.entity, one.currency, one.side)
            if not period.is_month:
                assert items["opening"] == closing.get(place, Figure()), (period, place)
                closing[place] = items["closing"]


def assert_months_are_their_days(found: Found) -> None:
    """What came in a month is what came on its days, and it closes as its last day does."""
    for month in (p for p in found if p.is_month):
        days = [
            made
            for p, made in found.items()
            if not p.is_month and month.first <= p.first <= month.last
        ]
        for one in found[month]:
            place = (one.entity, one.currency, one.side)
            mine = [s for made in days for s in made if (s.entity, s.currency, s.side) == place]
            for row in ("received", "accepted", "duplicates", "timing", "breaks"):
                assert sum((s.rows[row] for s in mine), Figure()) == one.rows[row], (month, row)


def check(scenario: Scenario) -> None:
    with worlds.world({"small": scenario.reconciliation}) as world:
        world.deliver(scenario.deliveries)
        world.reconcile("small")
        found = statements_of(world.workplace, "small", PERIODS)
    assert list(found) == PERIODS
    outcomes = reference.reconcile(scenario.reconciliation, worlds.FEEDS, scenario.rows)
    assert_as_the_oracle_says(found, outcomes, through_of(scenario), scenario.text())
    assert_they_hold(found)
    assert_months_are_their_days(found)


@worlds.examples(8)
@given(scenarios.scenarios())
def test_statements_of_a_small_world_are_the_oracles(scenario: Scenario) -> None:
    check(scenario)


@worlds.examples(3, phases=[Phase.generate])
@given(st.integers(min_value=0, max_value=2**32))
def test_statements_of_many_worlds_are_the_oracles(seed: int) -> None:
    check(scenarios.crowd(random.Random(seed).choice, 60))
