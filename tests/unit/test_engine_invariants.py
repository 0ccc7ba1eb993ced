"""What holds in every world: nothing is lost or used twice, every match adds up; and neither the
scale of amounts, nor which side is called source, nor a stranger changes a result."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import Phase, assume, given
from hypothesis import strategies as st

from tests import scenarios, worlds
from tests.scenarios import Row, Scenario
from tests.worlds import extract_sha256

Outcome = dict[str, Any]
SEEDS = st.integers(min_value=0, max_value=2**32)
OTHER_SIDE = {"source": "target", "target": "source"}
SAME_SIDE = {"source": "source", "target": "target"}
SWAPPED_CLASS = {
    "missing_in_target": "missing_in_source",
    "missing_in_source": "missing_in_target",
    "duplicate_in_source": "duplicate_in_target",
    "duplicate_in_target": "duplicate_in_source",
}
SYMMETRIC = ("one_to_one", "many_to_one", "one_to_many")
"""Shapes whose rules treat the sides alike; the groups of many_to_many, and what a search leaves,
are compared as sources."""


def outcomes(scenario: Scenario) -> list[Outcome]:
    with worlds.world({"small": scenario.reconciliation}) as world:
        world.deliver(scenario.deliveries)
        world.reconcile("small")
        return world.outcomes("small")


def with_rows(scenario: Scenario, change: Callable[[Row], Row]) -> Scenario:
    changed = {w: [change(row) for row in rows] for w, rows in scenario.deliveries.items()}
    return replace(scenario, deliveries=changed)


def with_passes(scenario: Scenario, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Scenario:
    passes = [change(one) for one in scenario.reconciliation["passes"]]
    return replace(scenario, reconciliation=scenario.reconciliation | {"passes": passes})


def in_one_currency(rule: dict[str, Any]) -> dict[str, Any]:
    """A pass that compares amounts as they are: rated ones are rounded, which no scale survives."""
    return {name: value for name, value in rule.items() if name != "currency"}


SHAPES = pytest.mark.parametrize(
    "shapes", [scenarios.SHAPES, ("one_to_one",), ("subset_sum",)], ids=("all", "nearest", "search")
)


@SHAPES
@worlds.examples(2, phases=[Phase.generate])
@given(seed=SEEDS)
def test_every_line_is_used_once_and_every_match_adds_up(seed: int, shapes: Sequence[str]) -> None:
    pick = random.Random(seed).choice
    scenario = with_passes(scenarios.crowd(pick, 40, shapes=shapes), in_one_currency)
    reconciliation = scenario.reconciliation
    sides = {
        side: [r for r in scenario.rows if r["feed"] in reconciliation[side]["feeds"]]
        for side in ("source", "target")
    }
    assume(reconciliation["source"]["feeds"] != reconciliation["target"]["feeds"])
    for side in sides:
        reconciliation[side]["where"] = {}
    found = outcomes(scenario)
    for side, rows in sides.items():
        wanted = [r for r in rows if r.get("account_class") != "unmapped"]
        own = [o for o in found if o["side"] == side]
        names = ("feed", "line_id", "received_on", "extract_sha256", "row_number")
        assert sorted(tuple(o[n] for n in names) for o in own) == sorted(
            tuple(r[n] for n in names) for r in wanted
        )
        assert sum(o["amount"] for o in own) == sum(
            r["amount"] * reconciliation[side]["sign"] for r in wanted
        )
    matches: dict[tuple[str, str], list[Outcome]] = {}
    for one in found:
        if one["outcome"] == "matched":
            matches.setdefault((one["pass"], one["match_ref"]), []).append(one)
    for (rule, _), lines in matches.items():
        by_side = {s: [o["amount"] for o in lines if o["side"] == s] for s in sides}
        left = sum(by_side["target"]) - sum(by_side["source"])
        assert left == sum(o["residual"] for o in lines), (lines, scenario.text())
        assert rule == "reversal" or all(by_side.values()), (lines, scenario.text())


@SHAPES
@worlds.examples(2, phases=[Phase.generate])
@given(seed=SEEDS)
def test_a_thousand_times_the_amounts_is_a_thousand_times_the_result(
    seed: int, shapes: Sequence[str]
) -> None:
    pick = random.Random(seed).choice
    scenario = with_passes(scenarios.crowd(pick, 40, shapes=shapes), in_one_currency)
    assume(
        all(p["tolerance"].get("label") != "rounding" for p in scenario.reconciliation["passes"])
    )

    def thousandfold(rule: dict[str, Any]) -> dict[str, Any]:
        tolerance = dict(rule["tolerance"])
        if "absolute" in tolerance:
            tolerance["absolute"] = str(Decimal(tolerance["absolute"]) * 1000)
        return rule | {"tolerance": tolerance}

    large = with_rows(scenario, lambda row: row | {"amount": row["amount"] * 1000})
    found = outcomes(with_passes(large, thousandfold))
    amounts = ("amount", "residual", "other_amount", "group_amount")
    expected = [
        one | {name: one[name] and one[name] * 1000 for name in amounts}
        for one in outcomes(scenario)
    ]
    worlds.assert_same(found, expected, scenario)


def swapped(scenario: Scenario) -> Scenario:
    """The same world with its sides exchanged: windows, shapes and tolerance bases turned round."""

    def turned(rule: dict[str, Any]) -> dict[str, Any]:
        found = dict(rule)
        found["key"] = {OTHER_SIDE[side]: columns for side, columns in rule["key"].items()}
        found["shape"] = {"many_to_one": "one_to_many", "one_to_many": "many_to_one"}.get(
            rule["shape"], rule["shape"]
        )
        base = rule["tolerance"].get("base", "source")
        if rule["tolerance"]:
            found["tolerance"] = rule["tolerance"] | {"base": OTHER_SIDE.get(base, base)}
        if "days" in rule:
            found["days"] = [-rule["days"][1], -rule["days"][0]]
        return found

    reconciliation = scenario.reconciliation
    timing = reconciliation["timing_days"]
    exchanged = reconciliation | {
        "source": reconciliation["target"],
        "target": reconciliation["source"],
        "timing_days": [-timing[1], -timing[0]],
    }
    return with_passes(replace(scenario, reconciliation=exchanged), turned)


@pytest.mark.parametrize(
    "shapes", [SYMMETRIC, ("one_to_one",), ("subset_sum",)], ids=("keyed", "nearest", "search")
)
@worlds.examples(2, phases=[Phase.generate])
@given(seed=SEEDS)
def test_exchanging_the_sides_exchanges_what_is_said_of_them(
    seed: int, shapes: Sequence[str]
) -> None:
    pick = random.Random(seed).choice
    pairs = ["settlement_to_settlement", "ledger_to_ledger"]
    scenario = with_passes(scenarios.crowd(pick, 40, pairs, shapes), in_one_currency)
    for side in ("source", "target"):  # postings out of scope are looked at on one side only
        scenario.reconciliation[side]["where"] = {}
    for rule in scenario.reconciliation["passes"]:
        rule.pop("received_by_target", None)
    scenario = with_rows(scenario, plain)
    found, expected = [
        {(turn[o["side"]], *(o[name] for name in worlds.SAME_LINE[1:])): o for o in outcomes(world)}
        for world, turn in ((swapped(scenario), OTHER_SIDE), (scenario, SAME_SIDE))
    ]
    assert found.keys() == expected.keys()
    for line, one in expected.items():
        other = found[line]
        same = ["outcome", "pass", "cleared_on", "due_on"]
        searched = "subset_sum" in shapes
        unclear = {"ambiguous"} & {one["break_class"], other["break_class"]}
        if not searched or one["outcome"] == "matched" or unclear:
            same += ["counterpart", "group_amount", "group_count"]
        for name in same:
            assert other[name] == one[name], (line, name, one, other, scenario.text())
        if searched and not unclear:
            continue
        wanted = SWAPPED_CLASS.get(one["break_class"], one["break_class"])
        assert other["break_class"] == wanted, (line, one, other, scenario.text())
    # What netting left stands on another line of the match, with the other sign.
    for rule in {o["pass"] for o in expected.values() if o["outcome"] == "matched"}:
        left, right = (
            sum(o["residual"] or 0 for o in world.values() if o["pass"] == rule)
            for world in (found, expected)
        )
        assert left == -right, rule


def plain(row: Row) -> Row:
    """The row without what the rules look at on one side only: its component, its account."""
    if "account" in row:
        return row | {"account": "1090", "account_class": "clearing", "category": "charge"}
    return row | {"category": "charge"}


@SHAPES
@worlds.examples(2, phases=[Phase.generate])
@given(seed=SEEDS)
def test_a_pair_of_strangers_changes_nothing_for_the_others(
    seed: int, shapes: Sequence[str]
) -> None:
    pick = random.Random(seed).choice
    scenario = scenarios.crowd(pick, 40, shapes=shapes)
    for rule in scenario.reconciliation["passes"]:
        rule.pop("result", None)  # what is only suggested stays open
    assume(scenario.reconciliation["source"]["feeds"] != scenario.reconciliation["target"]["feeds"])
    strangers, windows = pair_of_strangers(scenario)
    assume(strangers)
    before = outcomes(scenario)
    deliveries = {
        window: scenario.deliveries.get(window, []) + windows.get(window, [])
        for window in scenario.deliveries.keys() | windows.keys()
    }
    after = outcomes(replace(scenario, deliveries=deliveries))
    added = [one for one in after if one["line_id"] == "stranger"]
    worlds.assert_same([one for one in after if one not in added], before, scenario)
    assert [one["outcome"] for one in added] == ["matched", "matched"], added
    assert {one["pass"] for one in added} == {"p1"}


def pair_of_strangers(scenario: Scenario) -> tuple[bool, dict[scenarios.Window, list[Row]]]:
    """A source and a target line in scope that agree under a key of their own, on one day."""
    reconciliation = scenario.reconciliation
    first, last = reconciliation["passes"][0].get("days") or reconciliation["timing_days"]
    texts = scenarios.TEXT_KEYS & {*reconciliation["passes"][0]["key"]["source"]}
    found: dict[scenarios.Window, list[Row]] = {}
    kinds = scenarios.PAIRS[scenario.pair]
    for side, kind in zip(("source", "target"), kinds, strict=True):
        here = reconciliation[side]
        feed = here["feeds"][0]
        window = "2026-10-01-07:00" if kind == "usage" else "2026-10-01"
        row: Row = {
            "feed": feed,
            "line_id": "stranger",
            "extract_sha256": extract_sha256("stranger"),
            "row_number": 1,
            "received_on": date(2026, 10, 1),
            "period": date(2026, 10, 1),
            "occurred_on": date(2026, 10, 1),
            "entity": "A",
            "currency": "USD",
            "amount": Decimal(7777) * here["sign"],
        }
        for column in scenarios.KEYS[scenario.pair][side]:
            if column in scenarios.DAY_KEYS:
                row[column] = date(2027, 1, 1)
            elif column != "component":
                row[column] = "stranger"
        row |= {
            "settlement": {"category": "charge"},
            "usage": {},
            "invoice": {"line_type": "tax"},
            "ledger": {
                "account": "2200" if "invoice" in kinds else "1090",
                "account_class": "tax" if "invoice" in kinds else "clearing",
                "category": "tax" if "invoice" in kinds else "charge",
                "journal_ref": "stranger",
            },
        }[kind]
        found[feed, window] = [row]
    return bool(texts) and first <= 0 <= last, found


def test_the_order_of_passes_is_the_order_of_the_configuration() -> None:
    """The first pass that can take a line does, however well a later one would fit."""
    coarse: Sequence[str] = ("by_batch", "by_line")
    for order in (coarse, tuple(reversed(coarse))):
        keys = {
            "by_line": ("payment_ref", "line_ref"),
            "by_batch": ("settlement_batch", "batch_ref"),
        }
        passes = [
            {
                "name": name,
                "shape": "one_to_one",
                "key": {"source": [keys[name][0]], "target": [keys[name][1]]},
            }
            for name in order
        ]
        day = scenarios.START
        common = {"entity": "A", "currency": "USD", "amount": Decimal(5), "period": day}
        source = common | {"payment_ref": "P", "settlement_batch": "B", "category": "charge"}
        target = common | {"line_ref": "P", "batch_ref": "B", "account_class": "clearing"}
        named = {"line_id": "1", "extract_sha256": "0", "row_number": 1}
        scenario = Scenario(
            "settlement_to_ledger",
            {
                "source": {"feeds": ["psp"]},
                "target": {"feeds": ["erp"]},
                "passes": passes,
            },
            {("psp", str(day)): [source | named], ("erp", str(day)): [target | named]},
        )
        assert {one["pass"] for one in outcomes(scenario)} == {order[0]}
