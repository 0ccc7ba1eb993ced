"""What came beside the accepted lines: refused rows, repeats in one extract, rows never sent."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import Phase, given
from hypothesis import strategies as st

from tests import reference, scenarios, worlds
from tests.scenarios import Pick, Scenario
from tieout.model import Figure, Statement
from tieout.periods import Period, month_of
from tieout.statement import statements_of

DAYS = [scenarios.START + timedelta(days=n) for n in range(-2, scenarios.DAYS + 6)]
PERIODS = [Period(day, day) for day in DAYS] + sorted({month_of(day) for day in DAYS})

Item = tuple[str, str, str, str, date, int, Decimal]
"""Row of the statement, entity, currency, side, day, lines, amount."""


def beside(pick: Pick, scenario: Scenario) -> tuple[dict[Any, list[dict[str, Any]]], list[Item]]:
    """Rows for the tables beside the lines, by (stage, feed, window); and what they count for."""
    tables: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    items: list[Item] = []
    sides = {
        feed: (side, scenario.reconciliation[side]["sign"])
        for side in ("source", "target")
        for feed in scenario.reconciliation[side]["feeds"]
    }
    for feed, window in scenario.deliveries:
        side, sign = sides[feed]
        day = date.fromisoformat(window[:10])
        for _ in range(pick([0, 0, 1, 2])):
            read = {
                "entity": pick(["A", None]),
                "currency": pick(["USD", "XXX"]),
                "amount": pick([Decimal("12.5"), Decimal(0)]),
                "period": pick([day, day - timedelta(days=1)]),
            }
            tables["quarantine", feed, window].append(read)
            place = (read["entity"] or "*", read["currency"], side, read["period"])
            items.append(("quarantined", *place, 1, read["amount"] * sign))
        if pick([False, False, True]):
            found = {
                "entity": pick(["A", None]),
                "currency": pick(["USD", None]),
                "stated_count": 10,
                "found_count": pick([8, 11]),
                "stated_amount": pick([Decimal(100), None]),
                "found_amount": Decimal(90),
                "break_class": pick(["control_total_mismatch", "count_mismatch", None]),
            }
            tables["deliveries", feed, window].append(found)
            if found["break_class"]:
                gap = Decimal(0) if found["stated_amount"] is None else Decimal(10)
                place = (found["entity"] or "*", found["currency"] or "XXX", side, day)
                lines = found["stated_count"] - found["found_count"]
                items.append(("not_in_file", *place, lines, gap * sign))
    return tables, items


@worlds.examples(3, phases=[Phase.generate])
@given(st.integers(min_value=0, max_value=2**32))
def test_received_is_accepted_refused_repeated_and_missing(seed: int) -> None:
    pick = random.Random(seed).choice
    scenario = scenarios.crowd(pick, 15)
    repeated = [
        (window, row)
        for window, rows in scenario.deliveries.items()
        for row in rows
        if pick([0, 0, 1])
    ]
    tables, items = beside(pick, scenario)
    with worlds.world({"small": scenario.reconciliation}) as world:
        world.deliver(scenario.deliveries)
        world.reconcile("small")
        plain = statements_of(world.workplace, "small", PERIODS)
        for (stage, feed, window), rows in tables.items():
            world.beside(stage, feed, window, rows)
        for window in {window for window, _ in repeated}:
            world.beside("duplicates", *window, [row for w, row in repeated if w == window])
        found = statements_of(world.workplace, "small", PERIODS)
    assert any(one.rows["quarantined"].count for made in found.values() for one in made)
    for period, made in found.items():
        before = {place_of(one): one for one in plain[period]}
        for one in made:
            assert_the_figures_add_up(one)
            was = before.pop(place_of(one), None)
            for row in ("accepted", "matched", "matched_in_transit", "timing", "breaks"):
                assert one.rows[row] == (was.rows[row] if was else Figure()), (period, row)
            for row in ("quarantined", "not_in_file"):
                assert one.rows[row] == figure_of(items, row, one), (period, row, one)
        assert not before, "a statement is gone"
    for month in (period for period in found if period.is_month):
        again = [row for _, row in repeated if month.first <= row["period"] <= month.last]
        more = sum(
            sign * sum(one.rows["duplicates"].count for one in of[month])
            for sign, of in ((1, found), (-1, plain))
        )
        assert more == sum(1 for row in again if in_scope(scenario, row))


def place_of(one: Statement) -> tuple[str, str, str]:
    return one.entity, one.currency, one.side


def in_scope(scenario: Scenario, row: dict[str, Any]) -> bool:
    """Whether the oracle counts a line in."""
    return bool(reference.reconcile(scenario.reconciliation, worlds.FEEDS, [row]))


def assert_the_figures_add_up(one: Statement) -> None:
    rows = one.rows
    parts = ("not_in_file", "quarantined", "duplicates", "accepted")
    assert rows["received"] == sum((rows[part] for part in parts), Figure()), one
    assert one.holds, one


def figure_of(items: list[Item], row: str, one: Statement) -> Figure:
    mine = [
        Figure(lines, amount)
        for name, *place, day, lines, amount in items
        if name == row
        and tuple(place) == place_of(one)
        and one.period.first <= day <= one.period.last
    ]
    return sum(mine, Figure())
