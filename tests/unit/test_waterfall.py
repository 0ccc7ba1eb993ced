"""Waterfalls: the steps lead from source to target in any world, and say so when they do not."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from textwrap import dedent
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st

from tests import scenarios, worlds
from tests.scenarios import START, Scenario
from tieout.model import Figure
from tieout.periods import Period
from tieout.render import waterfall as rendering
from tieout.waterfall import Step, Waterfall, of_period, of_ref

SEEDS = st.integers(min_value=0, max_value=2**32)
DAYS = [START, START + timedelta(days=4)]
PERIODS = [Period(START, START + timedelta(days=40)), *(Period(day, day) for day in DAYS)]
Sums = dict[tuple[str, str, str], tuple[int, Decimal]]


def sums_of(found: Iterable[Waterfall]) -> Sums:
    """Lines and amount by entity, currency and kind of step."""
    sums: Sums = {}
    for one in found:
        for step in one.steps:
            key = one.entity, one.currency, step.kind
            count, amount = sums.get(key, (0, Decimal(0)))
            sums[key] = count + step.figure.count, amount + step.figure.amount
    return sums


def by_hand(lines: Iterable[Mapping[str, Any]], inside: Any) -> Sums:
    """The same in loops over outcomes; of a match, all lines are looked at."""
    counts: dict[tuple[str, str, str], list[Decimal]] = defaultdict(list)
    taken = [one for one in lines if one["outcome"] != "duplicate"]
    matches = defaultdict(list)
    for one in taken:
        place = one["entity"], one["currency"]
        if inside(one):
            counts[*place, one["side"]].append(one["amount"])
        if one["outcome"] == "matched":
            matches[one["pass"], one["match_ref"]].append(one)
        elif inside(one):
            sign = -1 if one["side"] == "source" else 1
            counts[*place, f"open_{one['side']}"].append(sign * one["amount"])
    for members in matches.values():
        if any(map(inside, members)):
            for one in members:
                place = one["entity"], one["currency"]
                if one["residual"]:
                    counts[*place, "residual"].append(one["residual"])
                if not inside(one):
                    sign = 1 if one["side"] == "source" else -1
                    counts[*place, "elsewhere"].append(sign * one["amount"])
    return {key: (len(amounts), sum(amounts, Decimal(0))) for key, amounts in counts.items()}


def assert_explained(found: Iterable[Waterfall]) -> None:
    assert all(one.unexplained == 0 for one in found), [one.as_json() for one in found]


@worlds.examples(6, phases=[Phase.generate])
@given(SEEDS)
def test_source_and_steps_lead_to_the_target_in_every_period(seed: int) -> None:
    scenario = scenarios.crowd(random.Random(seed).choice, 40)
    with worlds.world({"small": scenario.reconciliation}) as world:
        world.deliver(scenario.deliveries)
        world.reconcile("small")
        outcomes = world.outcomes("small")
        for period in PERIODS:
            found = of_period(world.workplace, "small", period)
            assert_explained(found)
            expected = by_hand(outcomes, lambda one, p=period: p.first <= one["period"] <= p.last)
            assert sums_of(found) == expected, scenario.text()


@worlds.examples(6, phases=[Phase.generate])
@given(SEEDS)
def test_a_batch_is_explained_with_the_postings_that_answer_it(seed: int) -> None:
    pick = random.Random(seed).choice
    scenario: Scenario = scenarios.crowd(pick, 40, ["settlement_to_ledger"])
    with worlds.world({"small": scenario.reconciliation}) as world:
        world.deliver(scenario.deliveries)
        world.reconcile("small")
        outcomes = world.outcomes("small")
        batch = [row for row in scenario.rows if row.get("settlement_batch") == "w001.K1"]
        carriers = sorted({(row["feed"], row["line_id"]) for row in batch})
        found = of_ref(world.workplace, "small", "w001.K1", carriers, PERIODS[0])
    assert_explained(found)
    own = set(carriers)
    matches = {
        (one["pass"], one["match_ref"])
        for one in outcomes
        if (one["feed"], one["line_id"]) in own and one["outcome"] == "matched"
    }

    def inside(one: Mapping[str, Any]) -> bool:
        answers = one["side"] == "target" and (one["pass"], one["match_ref"]) in matches
        return (one["feed"], one["line_id"]) in own or answers

    assert sums_of(found) == by_hand(outcomes, inside), scenario.text()


def test_a_residual_that_is_not_what_the_lines_leave_is_unexplained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last line can fail: outcomes whose residual was changed do not add up."""
    scenario = scenarios.crowd(random.Random(4).choice, 40, ["settlement_to_ledger"])
    with worlds.world({"small": scenario.reconciliation}) as world:
        world.deliver(scenario.deliveries)
        world.reconcile("small")
        heads = world.workplace.register.heads("outcomes/small")
        paths = world.workplace.store.paths(heads.values())
        changed = pl.read_parquet(paths).with_columns(
            residual=pl.when(pl.col("outcome") == "matched").then(pl.col("residual") + 1)
        )
        beside = world.workplace.store.root / "changed.parquet"
        changed.cast({"residual": pl.Decimal(38, 12)}).write_parquet(beside)
        monkeypatch.setattr(type(world.workplace.store), "paths", lambda *_: [str(beside)])
        found = of_period(world.workplace, "small", PERIODS[0])
    assert any(one.unexplained != 0 for one in found)


def test_the_steps_as_they_are_written() -> None:
    def step(kind: str, label: str, count: int, amount: str) -> Step:
        return Step(kind, label, Figure(count, Decimal(amount)))

    one = Waterfall(
        "settlement_to_ledger",
        "380",
        "US01",
        "USD",
        (
            step("source", "charge", 220, "55735.80"),
            step("source", "fee", 221, "-427.73"),
            step("open_source", "missing_in_target", 1, "-30.00"),
            step("open_source", "fee_variance", 1, "0.30"),
            step("residual", "rounding", 1, "0.01"),
            step("open_target", "fee_variance", 1, "-0.33"),
            step("target", "charge", 219, "55278.05"),
        ),
    )
    assert one.unexplained == 0
    assert rendering.text([one]) == dedent("""\
        settlement_to_ledger, 380, US01, USD
        ====================================
          charge                    220  55,735.80
          fee                       221    -427.73
        source                      441  55,308.07
          rounding left by matches    1       0.01
          missing_in_target           1     -30.00
          fee_variance                2      -0.03
        target                      219  55,278.05
        unexplained                           0.00
        """)
