"""Waterfalls: the steps lead from source to target in any world, and say so when they do not."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
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
from tieout.waterfall import Step, Waterfall, of_period, of_periods, of_ref

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


def by_hand(  # noqa: C901 - the rule
    lines: Iterable[Mapping[str, Any]], inside: Any, passes: Iterable[Mapping[str, Any]]
) -> Sums:
    """The same in loops over outcomes; of a match, all lines are looked at."""
    functional = {one["name"] for one in passes if one.get("currency") == "functional"}
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
            foreign = any(one["currency"] != worlds.ENTITIES[one["entity"]] for one in members)
            converted = len({one["currency"] for one in members}) > 1
            converted |= foreign and members[0]["pass"] in functional
            across = converted or len({one["entity"] for one in members}) > 1
            for one in members:
                place = one["entity"], one["currency"]
                if one["residual"]:
                    own = worlds.ENTITIES[one["entity"]] if converted else one["currency"]
                    rounding = one["rounding"] or Decimal(0)
                    parts = [part for part in (one["residual"] - rounding, rounding) if part]
                    counts[one["entity"], own, "residual"] += parts
                    if across:
                        counts[one["entity"], own, "converted"].append(-one["residual"])
                if across:
                    sign = -1 if one["side"] == "source" else 1
                    counts[*place, "converted"].append(sign * one["amount"])
                if not inside(one):
                    sign = 1 if one["side"] == "source" else -1
                    counts[*place, "elsewhere"].append(sign * one["amount"])
    return {key: (len(amounts), sum(amounts, Decimal(0))) for key, amounts in counts.items()}


def assert_explained(found: Iterable[Waterfall]) -> None:
    assert all(one.unexplained == 0 for one in found), [one.as_json() for one in found]


@worlds.examples(2, phases=[Phase.generate])
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
            expected = by_hand(
                outcomes,
                lambda one, p=period: p.first <= one["period"] <= p.last,
                scenario.reconciliation["passes"],
            )
            assert sums_of(found) == expected, scenario.text()


@worlds.examples(2, phases=[Phase.generate])
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

    open_lines = {(o["feed"], o["line_id"]): o for o in outcomes if o["outcome"] == "open"}

    def stands_against_one(one: Mapping[str, Any]) -> bool:
        """Both open, each the other's only counterpart: their difference is the question."""
        other = open_lines.get((one["counterpart_feed"], one["counterpart"]))
        if one["outcome"] != "open" or other is None:
            return False
        return (
            (other["feed"], other["line_id"]) in own
            and (other["counterpart_feed"], other["counterpart"]) == (one["feed"], one["line_id"])
            and other["side"] != one["side"]
            and other["break_class"] == one["break_class"]
            and all(line["group_count"] in (None, 1) for line in (one, other))
        )

    def inside(one: Mapping[str, Any]) -> bool:
        answers = one["side"] == "target" and (one["pass"], one["match_ref"]) in matches
        return (one["feed"], one["line_id"]) in own or answers or stands_against_one(one)

    assert sums_of(found) == by_hand(outcomes, inside, scenario.reconciliation["passes"]), (
        scenario.text()
    )


@worlds.examples(2, phases=[Phase.generate])
@given(SEEDS)
def test_many_periods_in_one_reading_are_what_each_is_alone(seed: int) -> None:
    scenario = scenarios.crowd(random.Random(seed).choice, 20)
    days = [Period(day, day) for day in PERIODS[0].days()[: scenarios.DAYS]]
    with worlds.world({"small": scenario.reconciliation}) as world:
        world.deliver(scenario.deliveries)
        world.reconcile("small")
        asked = [PERIODS[0], *days, days[0]]
        found = of_periods(world.workplace, "small", asked)
        assert list(found) == [PERIODS[0], *days]
        for period in found:
            assert found[period] == of_period(world.workplace, "small", period)


@pytest.fixture
def altered(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[Waterfall]]]:
    """Waterfalls of the outcomes of a random world, as something made them."""
    scenario = scenarios.crowd(random.Random(4).choice, 40, ["settlement_to_ledger"])
    with worlds.world({"small": scenario.reconciliation}) as world:
        world.deliver(scenario.deliveries)
        world.reconcile("small")
        heads = world.workplace.register.heads("outcomes/small")
        outcomes = pl.read_parquet(world.workplace.store.paths(heads.values()))
        beside = world.workplace.store.root / "changed.parquet"

        def explain(change: Callable[[pl.DataFrame], pl.DataFrame]) -> list[Waterfall]:
            changed = change(outcomes)
            changed.select(outcomes.columns).cast(dict(outcomes.schema)).write_parquet(beside)
            with monkeypatch.context() as patched:
                patched.setattr(type(world.workplace.store), "paths", lambda *_: [str(beside)])
                return of_period(world.workplace, "small", PERIODS[0])

        yield explain


def test_a_residual_that_is_not_what_the_lines_leave_is_unexplained(
    altered: Callable[..., list[Waterfall]],
) -> None:
    """The last line can fail: outcomes whose residual was changed do not add up."""
    matched = pl.col("outcome") == "matched"
    one_more = pl.when(matched).then(pl.col("residual") + 1)
    found = altered(lambda all_: all_.with_columns(residual=one_more))
    assert any(one.unexplained != 0 for one in found)


def pair(
    entity: str, source: tuple[str, str], target: tuple[str, str], **more: Any
) -> list[Mapping[str, Any]]:
    """The two lines of one match, each with its currency and amount."""
    both = {
        "entity": entity,
        "received_on": START,
        "period": START,
        "component": "charge",
        "outcome": "matched",
        "pass": "by_hand",
        "match_ref": "s",
        "residual": Decimal(0),
    }
    return [
        {**both, "side": "source", "feed": "psp", "line_id": "s", **_money(source), **more},
        {**both, "side": "target", "feed": "erp", "line_id": "t", **_money(target)},
    ]


def _money(given: tuple[str, str]) -> dict[str, Any]:
    return {"amount": Decimal(given[0]), "currency": given[1]}


def steps_of(found: Iterable[Waterfall]) -> dict[str, dict[str, str]]:
    return {
        one.currency: {f"{s.kind} {s.label}": f"{s.figure.amount:.2f}" for s in one.steps}
        for one in found
    }


def test_a_residual_has_the_label_that_its_outcome_has(
    altered: Callable[..., list[Waterfall]],
) -> None:
    """Without one it has that of its pass; a pass that is gone lends its name."""
    labels = {"rounding: per document, half-up": "rounding: per document, half-up", None: "by_hand"}
    for label, shown in labels.items():
        lines = pair("A", ("10", "USD"), ("10.01", "USD"), residual=Decimal("0.01"), label=label)
        found = altered(lambda all_, lines=lines: pl.DataFrame(lines, all_.schema))
        assert_explained(found)
        assert steps_of(found)["USD"][f"residual {shown}"] == "0.01"


def test_lines_of_one_foreign_currency_are_held_against_each_other_in_that_of_the_books() -> None:
    """100 EUR stand against 100 EUR; that they were booked at two rates leaves dollars."""
    row = {"entity": "A", "currency": "EUR", "amount": Decimal(100), "period": START}
    row |= {"occurred_on": START, "row_number": 1, "line_ref": "P1"}
    row |= {"account_class": "clearing", "extract_sha256": worlds.extract_sha256("x")}
    one = row | {"line_id": "s", "account": "1090", "functional_amount": Decimal("108.50")}
    other = row | {"line_id": "t", "account": "1091", "functional_amount": Decimal("108.20")}
    by_rate = {"currency": "functional", "tolerance": {"percent": "1"}}
    key = {"source": ["line_ref"], "target": ["line_ref"]}
    reconciliation = {
        "source": {"feeds": ["erp"], "where": {"account": ["1090"]}},
        "target": {"feeds": ["erp"], "where": {"account": ["1091"]}},
        "passes": [{"name": "p", "shape": "one_to_one", "key": key, **by_rate}],
    }
    with worlds.world({"small": reconciliation}) as world:
        world.deliver({("erp", f"{START}"): [one, other]})
        world.reconcile("small")
        found = of_period(world.workplace, "small", PERIODS[0])
    assert_explained(found)
    steps = steps_of(found)
    assert steps["EUR"] == {"source clearing": "100.00", "target clearing": "100.00"}
    assert steps["USD"] == {"residual fx rate difference": "-0.30", "converted converted": "0.30"}


def test_what_the_sender_rounded_is_a_step_beside_the_difference_of_rates(
    altered: Callable[..., list[Waterfall]],
) -> None:
    left = {"residual": Decimal("-0.03"), "rounding": Decimal("-0.01"), "label": "fx"}
    lines = pair("A", ("10", "USD"), ("9.97", "USD"), **left)
    found = altered(lambda all_: pl.DataFrame(lines, all_.schema))
    assert_explained(found)
    steps = steps_of(found)["USD"]
    assert steps["residual fx"] == "-0.02"
    assert steps["residual rounding by the sender"] == "-0.01"


def test_a_match_of_two_currencies_is_converted_in_each(
    altered: Callable[..., list[Waterfall]],
) -> None:
    """What it leaves is in the books' own currency: that of the entity."""
    lines = pair("A", ("100", "EUR"), ("108.12", "USD"), residual=Decimal("0.02"), label="fx")
    found = altered(lambda all_: pl.DataFrame(lines, all_.schema))
    assert_explained(found)
    assert steps_of(found) == {
        "EUR": {"source charge": "100.00", "converted converted": "-100.00"},
        "USD": {
            "residual fx": "0.02",
            "converted converted": "108.10",
            "target charge": "108.12",
        },
    }


def test_a_match_of_two_entities_is_a_step_of_each(
    altered: Callable[..., list[Waterfall]],
) -> None:
    source, target = pair("A", ("100", "USD"), ("100", "USD"))
    lines = [source, {**target, "entity": "B"}]
    found = altered(lambda all_: pl.DataFrame(lines, all_.schema))
    assert_explained(found)
    across = {one.entity: one.total("converted").amount for one in found}
    assert across == {"A": -100, "B": 100}


def test_a_match_of_two_currencies_does_not_hide_what_another_leaves(
    altered: Callable[..., list[Waterfall]],
) -> None:
    wrong = [
        {**line, "match_ref": "other", "line_id": f"other {line['side']}"}
        for line in pair("A", ("100", "USD"), ("107", "USD"))
    ]
    lines = pair("A", ("100", "EUR"), ("108.12", "USD")) + wrong
    found = altered(lambda all_: pl.DataFrame(lines, all_.schema))
    assert {one.currency: one.unexplained for one in found} == {"EUR": 0, "USD": 7}


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
          charge                     220  55,735.80
          fee                        221    -427.73
        source                       441  55,308.07
          rounding, left by matches    1       0.01
          missing_in_target            1     -30.00
          fee_variance                 2      -0.03
        target                       219  55,278.05
        unexplained                            0.00
        """)
