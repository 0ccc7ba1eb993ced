"""Locked months: what was signed stays, what came since counts later, and nothing is lost."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st

from checks import matches, statements
from tests import scenarios, worlds
from tests.locking import lock, release
from tests.scenarios import Row, Window
from tests.unit.test_engine_arrival import corrected_later, portions, spoiled
from tests.worlds import World, extract_sha256
from tieout.changes.diff import diff
from tieout.changes.versions import Version, versions
from tieout.errors import RequestError
from tieout.known import heading
from tieout.model import Figure, Statement
from tieout.periods import Period, month_of
from tieout.restatement import restatements
from tieout.stale import mark_stated, stale_days
from tieout.statement import publish_statements, statements_of

SEEDS = st.integers(min_value=0, max_value=2**32)
SEPTEMBER, OCTOBER = month_of(date(2026, 9, 1)), month_of(date(2026, 10, 1))
ONE_TO_ONE = {
    "source": {"feeds": ["psp"]},
    "target": {"feeds": ["erp"], "where": {"account_class": ["clearing"]}},
    "timing_days": [0, 3],
    "passes": [
        {
            "name": "by_ref",
            "shape": "one_to_one",
            "key": {"source": ["payment_ref"], "target": ["line_ref"]},
        }
    ],
}
Key = tuple[str, str, str]


def paid(ref: str, amount: str, day: str, name: str | None = None, version: int = 1) -> Row:
    return line(name or f"P-{ref}", amount, day, version) | {
        "payment_ref": ref,
        "category": "charge",
    }


def posted(ref: str, amount: str, day: str, name: str | None = None, version: int = 1) -> Row:
    return line(name or f"E-{ref}", amount, day, version) | {
        "line_ref": ref,
        "account": "1090",
        "account_class": "clearing",
        "status": "posted",
        "posting_date": date.fromisoformat(day),
    }


def line(name: str, amount: str, day: str, version: int) -> Row:
    return {
        "line_id": name,
        "extract_sha256": extract_sha256(name[0], day, version),
        "row_number": 1,
        "entity": "A",
        "currency": "USD",
        "amount": Decimal(amount),
        "occurred_on": date.fromisoformat(day),
        "period": date.fromisoformat(day),
    }


@pytest.fixture
def world() -> Iterator[World]:
    with worlds.world({"small": ONE_TO_ONE}) as made:
        made.deliver(
            {
                ("psp", "2026-09-10"): [
                    paid("a", "100", "2026-09-10"),
                    paid("b", "50", "2026-09-10"),
                    paid("c", "7", "2026-09-10"),
                ],
                ("erp", "2026-09-10"): [
                    posted("a", "100", "2026-09-10"),
                    posted("c", "7", "2026-09-10"),
                ],
                ("psp", "2026-09-30"): [],
                ("erp", "2026-09-30"): [],
                ("psp", "2026-10-08"): [paid("n", "1", "2026-10-08")],
                ("erp", "2026-10-08"): [posted("n", "1", "2026-10-08")],
            }
        )
        made.reconcile("small")
        lock(made.workplace.register, "A", "2026-09")
        yield made


def told(world: World) -> dict[str, tuple[Any, ...]]:
    """Line -> the day it counts on, amount, outcome, class, day cleared, day it belongs to."""
    return {
        one["line_id"]: (
            str(one["period"]),
            one["amount"],
            one["outcome"],
            one["break_class"],
            one["cleared_on"] and str(one["cleared_on"]),
            one["belongs_to"] and str(one["belongs_to"]),
        )
        for one in world.outcomes("small")
    }


SIGNED = {
    "P-a": ("2026-09-10", Decimal(100), "matched", None, "2026-09-10", None),
    "E-a": ("2026-09-10", Decimal(100), "matched", None, "2026-09-10", None),
    "P-b": ("2026-09-10", Decimal(50), "open", "missing_in_target", None, None),
    "P-c": ("2026-09-10", Decimal(7), "matched", None, "2026-09-10", None),
    "E-c": ("2026-09-10", Decimal(7), "matched", None, "2026-09-10", None),
    "P-n": ("2026-10-08", Decimal(1), "matched", None, "2026-10-08", None),
    "E-n": ("2026-10-08", Decimal(1), "matched", None, "2026-10-08", None),
}


def test_a_lock_alone_changes_nothing(world: World) -> None:
    world.reconcile("small")
    assert told(world) == SIGNED
    assert world.reconcile("small").days == ()


def test_a_late_line_counts_on_the_first_open_day_and_waits_for_a_person(world: World) -> None:
    world.deliver({("psp", "2026-11-02"): [paid("z", "20", "2026-09-29")]})
    world.reconcile("small")
    late = ("2026-10-01", Decimal(20), "open", "closed_period_correction", None, "2026-09-29")
    assert told(world) == SIGNED | {"P-z": late}
    world.deliver({("erp", "2026-11-02"): [posted("z", "20", "2026-09-30")]})
    world.reconcile("small")
    matched = {
        "P-z": ("2026-10-01", Decimal(20), "matched", None, "2026-10-01", "2026-09-29"),
        "E-z": ("2026-10-01", Decimal(20), "matched", None, "2026-10-01", "2026-09-30"),
    }
    assert told(world) == SIGNED | matched


def test_a_late_posting_clears_what_was_open_in_the_open_month(world: World) -> None:
    world.deliver({("erp", "2026-11-02"): [posted("b", "50", "2026-09-12")]})
    world.reconcile("small")
    assert told(world) == SIGNED | {
        "P-b": ("2026-09-10", Decimal(50), "matched", None, "2026-10-01", None),
        "E-b": ("2026-10-01", Decimal(50), "matched", None, "2026-10-01", "2026-09-12"),
    }


def test_a_corrected_extract_leaves_the_signed_lines_and_brings_what_differs(world: World) -> None:
    """An amount by its difference, a line that went by its reversal, another reference by both."""
    corrected = [
        paid("a", "90", "2026-09-10", version=2),
        paid("bb", "50", "2026-09-10", "P-b", version=2),
    ]
    world.deliver({("psp", "2026-09-10"): corrected})
    world.reconcile("small")
    correction = "closed_period_correction"
    wanted = SIGNED | {
        "P-a~2026-10": ("2026-10-01", Decimal(-10), "open", correction, None, "2026-09-10"),
        "P-b~2026-10~was": ("2026-10-01", Decimal(-50), "open", correction, None, "2026-09-10"),
        "P-b~2026-10": ("2026-10-01", Decimal(50), "open", correction, None, "2026-09-10"),
        "P-c~2026-10~was": ("2026-10-01", Decimal(-7), "open", correction, None, "2026-09-10"),
    }
    assert told(world) == wanted
    # The ledger follows, in the open month.
    world.deliver({("erp", "2026-10-02"): [posted("a", "-10", "2026-09-10", "E-a2")]})
    world.reconcile("small")
    settled = ("2026-10-01", Decimal(-10), "matched", None, "2026-10-01", "2026-09-10")
    assert told(world) == wanted | {"P-a~2026-10": settled, "E-a2": settled}
    # And the sender takes it all back: what corrected is gone.
    original = [
        paid("a", "100", "2026-09-10", version=3),
        paid("b", "50", "2026-09-10", version=3),
        paid("c", "7", "2026-09-10", version=3),
    ]
    world.deliver({("psp", "2026-09-10"): original})
    world.reconcile("small")
    alone = ("2026-10-01", Decimal(-10), "open", correction, None, "2026-09-10")
    assert told(world) == SIGNED | {"E-a2": alone}


def test_a_line_that_leaves_a_locked_month_is_reversed_there(world: World) -> None:
    moved = [
        paid("a", "100", "2026-09-10", version=2),
        paid("b", "50", "2026-10-08", version=2),
        paid("c", "7", "2026-09-10", version=2),
    ]
    world.deliver({("psp", "2026-09-10"): moved})
    world.reconcile("small")
    correction = "closed_period_correction"
    assert told(world) == SIGNED | {
        "P-b~2026-10~was": ("2026-10-01", Decimal(-50), "open", correction, None, "2026-09-10"),
        "P-b~2026-10": ("2026-10-08", Decimal(50), "open", "missing_in_target", None, None),
    }


def test_a_line_sent_again_is_a_repeat_and_corrects_nothing(world: World) -> None:
    world.deliver({("psp", "2026-09-09"): [paid("a", "100", "2026-09-10", version=5)]})
    world.reconcile("small")
    (again,) = [
        one
        for one in world.outcomes("small")
        if one["line_id"] == "P-a" and one["outcome"] == "duplicate"
    ]
    assert (str(again["period"]), str(again["belongs_to"])) == ("2026-10-01", "2026-09-10")
    first = [o for o in world.outcomes("small") if o["line_id"] == "P-a"]
    assert [str(o["period"]) for o in first if o["outcome"] == "matched"] == ["2026-09-10"]


def test_a_repeat_that_came_for_an_earlier_window_is_a_delivery_of_its_own(world: World) -> None:
    """Its window comes before the one that was signed, which moved as well: it is not taken for the
    delivery that was there."""
    world.deliver(
        {
            ("psp", "2026-09-05"): [paid("a", "100", "2026-09-10")],
            ("psp", "2026-09-10"): [
                paid("a", "100", "2026-09-10"),
                paid("b", "50", "2026-09-10"),
            ],
        }
    )
    world.reconcile("small")
    found = [
        (str(one["received_on"]), one["outcome"], str(one["period"]))
        for one in world.outcomes("small")
        if one["line_id"] == "P-a"
    ]
    assert found == [
        ("2026-09-10", "matched", "2026-09-10"),
        ("2026-09-05", "duplicate", "2026-10-01"),
    ]


def test_each_later_lock_keeps_the_corrections_of_its_own_month(world: World) -> None:
    def correct(amount: str, version: int) -> None:
        rows = [
            paid("a", amount, "2026-09-10", version=version),
            paid("b", "50", "2026-09-10", version=version),
            paid("c", "7", "2026-09-10", version=version),
        ]
        world.deliver({("psp", "2026-09-10"): rows})
        world.reconcile("small")

    correct("90", 2)
    lock(world.workplace.register, "A", "2026-10")
    correct("85", 3)
    correction = "closed_period_correction"
    october = ("2026-10-01", Decimal(-10), "open", correction, None, "2026-09-10")
    november = ("2026-11-01", Decimal(-5), "open", correction, None, "2026-09-10")
    assert told(world) == SIGNED | {"P-a~2026-10": october, "P-a~2026-11": november}
    release(world.workplace.register, "A", "2026-10")
    world.reconcile("small")
    both = ("2026-10-01", Decimal(-15), "open", correction, None, "2026-09-10")
    assert told(world) == SIGNED | {"P-a~2026-10": both}


def test_a_reopened_month_takes_its_late_lines_back(world: World) -> None:
    world.deliver({("psp", "2026-11-02"): [paid("z", "20", "2026-09-29")]})
    world.reconcile("small")
    release(world.workplace.register, "A", "2026-09")
    world.reconcile("small")
    own = ("2026-09-29", Decimal(20), "open", "missing_in_target", None, None)
    assert told(world) == SIGNED | {"P-z": own}


def test_reopening_is_the_cause_of_what_went_back(world: World) -> None:
    days = [date(2026, 9, 10), date(2026, 9, 29), date(2026, 10, 1), date(2026, 10, 8)]

    def version() -> Version:
        world.reconcile("small")
        publish_statements(world.workplace, "small", days, run_id="run")
        return Version(None, datetime.now(UTC))

    changed = [
        paid("a", "90", "2026-09-10", version=2),
        paid("b", "50", "2026-09-10", version=2),
        paid("c", "7", "2026-09-10", version=2),
    ]
    world.deliver({("psp", "2026-09-10"): changed})
    before = version()
    release(world.workplace.register, "A", "2026-09")
    after = version()
    causes = {}
    for period in (SEPTEMBER, OCTOBER):
        found = diff(world.workplace, "small", period, before, after)
        assert found.holds
        causes |= {one.line_id: (one.cause.kind, one.cause.text) for one in found.lines}
    reopened = ("reopened", "2026-09 of A was reopened")
    assert causes["E-a"] == causes["P-a~2026-10"] == reopened
    told_of = heading(world.workplace.known_at(before.moment), ["small"])
    assert told_of is not None
    assert "configuration" not in told_of


def test_what_changed_since_is_told_of_the_open_month_alone(world: World) -> None:
    def run() -> None:
        world.reconcile("small")
        days = [date(2026, 9, 10), date(2026, 10, 1), date(2026, 10, 8)]
        publish_statements(world.workplace, "small", days, run_id="run")

    run()
    world.deliver(
        {
            ("psp", "2026-09-10"): [
                paid("a", "90", "2026-09-10", version=2),
                paid("b", "50", "2026-09-10", version=2),
                paid("c", "7", "2026-09-10", version=2),
            ],
            ("erp", "2026-11-02"): [posted("b", "50", "2026-09-12")],
        }
    )
    run()
    for period, lines in ((OCTOBER, {"P-a~2026-10", "P-b", "E-b"}), (SEPTEMBER, set())):
        before, after = versions(world.workplace, "small", OCTOBER)[-2:]
        found = diff(world.workplace, "small", period, before, after)
        assert found.holds
        assert {one.line_id for one in found.lines} == lines
        assert found.locked == (("A",) if period == SEPTEMBER else ())


def test_what_is_beside_the_lines_of_a_window_that_a_lock_knows_keeps_its_name() -> None:
    """A month of A is locked; what B's rows of the very same window come to is told as ever."""
    day = "2026-09-10"

    def beside(small: World, stated: str, refused: dict[str, str]) -> None:
        gap = {"stated_count": 10, "found_count": 9, "break_class": "control_total_mismatch"}
        amounts = {"stated_amount": Decimal(stated), "found_amount": Decimal(90)}
        small.beside(
            "deliveries",
            "psp",
            day,
            [{"ref": "batch", "entity": "B", "currency": "USD"} | gap | amounts],
        )
        rows = [
            {
                "line_id": f"R-{entity}",
                "entity": entity,
                "currency": "USD",
                "period": date(2026, 9, 10),
            }
            | {"row_number": number, "extract_sha256": amount, "amount": Decimal(amount)}
            for number, (entity, amount) in enumerate(refused.items(), 1)
        ]
        small.beside("quarantine", "psp", day, rows)

    def bring(small: World, amount: str, version: int) -> None:
        lines = [
            paid("a", amount, day, version=version),
            paid("b", "50", day, version=version) | {"entity": "B"},
        ]
        small.deliver({("psp", day): lines})

    with worlds.world({"small": ONE_TO_ONE}) as small:
        days = [date(2026, 9, 10), date(2026, 10, 1)]
        bring(small, "100", 1)
        beside(small, "100", {"A": "12", "B": "3"})
        october_first = [made("m", "42", "2026-10-01") for made in (paid, posted)]
        small.deliver(
            {("psp", "2026-10-01"): october_first[:1], ("erp", "2026-10-01"): october_first[1:]}
        )
        small.reconcile("small")
        publish_statements(small.workplace, "small", days, run_id="run")
        lock(small.workplace.register, "A", "2026-09")
        before = Version(None, datetime.now(UTC))
        bring(small, "90", 2)
        beside(small, "105", {"A": "20", "B": "3"})
        small.reconcile("small")
        publish_statements(small.workplace, "small", days, run_id="run")
        after = Version(None, datetime.now(UTC))
        september = diff(small.workplace, "small", SEPTEMBER, before, after)
        october = diff(small.workplace, "small", OCTOBER, before, after)
        stated_now = stated(small, OCTOBER)[OCTOBER, ("A", "USD", "source")]
    assert september.holds
    assert october.holds
    assert [(one.what, one.change, one.feed, one.line_id) for one in september.lines] == [
        ("not_in_file", "changed", "psp", "batch")
    ]
    assert {(one.what, one.change, one.feed, one.line_id, one.amount) for one in october.lines} == {
        ("line", "came", "psp", "P-a~2026-10", Decimal(-10)),
        ("refused", "came", "psp", "R-A~2026-10", Decimal(-12)),
        ("refused", "came", "psp", "R-A~2026-10", Decimal(20)),
    }
    assert stated_now.rows["quarantined"] == Figure(0, Decimal(8))
    assert stated_now.rows["received"].amount == Decimal(42 - 10 + 8)
    # 42 is matched of 42 + 10 + 12 + 20: each row has a weight of its own.
    assert stated_now.completeness["amount"] == Decimal(50)


# Random worlds


def sums(rows: Sequence[Row]) -> dict[Key, Decimal]:
    found: dict[Key, Decimal] = defaultdict(Decimal)
    for one in rows:
        found[one["entity"], one["currency"], one["side"]] += one["amount"]
    return {key: amount for key, amount in found.items() if amount}


def named(one: Row) -> tuple[Any, ...]:
    return tuple(one[name] for name in worlds.SAME_LINE)


def stated(world: World, *periods: Period) -> dict[tuple[Period, Key], Statement]:
    found = statements_of(world.workplace, "small", periods)
    return {
        (period, (one.entity, one.currency, one.side)): one
        for period, some in found.items()
        for one in some
    }


def steps_of(seed: int) -> tuple[scenarios.Scenario, list[dict[Window, list[Row]]]]:
    """A crowd of worlds delivered in portions, many of them wrong at first."""
    pick = random.Random(seed).choice
    scenario = scenarios.crowd(pick, 12)
    return scenario, corrected_later(pick, portions(pick, scenario.deliveries))


def without_lock(scenario: scenarios.Scenario) -> list[dict[str, Any]]:
    with worlds.world({"small": scenario.reconciliation}) as world:
        world.deliver(scenario.deliveries)
        world.reconcile("small")
        return world.outcomes("small")


@worlds.examples(2, phases=[Phase.generate])
@given(SEEDS)
def test_a_locked_month_stays_and_no_cent_is_lost(seed: int) -> None:
    scenario, steps = steps_of(seed)
    pick = random.Random(seed + 1).choice
    at = pick(range(1, len(steps) + 1))
    entities = pick([["A"], ["B"], ["A", "B"]])
    with worlds.world({"small": scenario.reconciliation}) as world:
        for step in steps[:at]:
            world.deliver(step)
            world.reconcile("small")
        signed = world.outcomes("small")
        closing = stated(world, SEPTEMBER)
        for entity in entities:
            lock(world.workplace.register, entity, "2026-09")
        world.reconcile("small")
        for step in steps[at:]:
            world.deliver(step)
            world.reconcile("small")
        outcomes = world.outcomes("small")
        assert_stays(entities, signed, outcomes)
        # In another month, but there: what is known now is what counts in all.
        assert sums(outcomes) == sums(without_lock(scenario))
        assert_stated(world, entities, closing)
        files = world.files("small")
        world.workplace.register.forget_consumed("reconcile.small")
        world.reconcile("small")
        assert world.outcomes("small") == outcomes, "worked anew it is something else"
        assert world.files("small") == files


def assert_stays(entities: Sequence[str], signed: Sequence[Row], now: Sequence[Row]) -> None:
    """The lines of the locked month are those signed, and what was settled is so to the letter."""

    def locked(rows: Sequence[Row]) -> dict[tuple[Any, ...], Row]:
        return {
            named(one): one
            for one in rows
            if one["entity"] in entities and one["period"] <= SEPTEMBER.last
        }

    before, after = locked(signed), locked(now)
    columns = ("amount", "currency", "entity", "period")
    assert {k: [o[c] for c in columns] for k, o in after.items()} == {
        k: [o[c] for c in columns] for k, o in before.items()
    }
    for name, one in before.items():
        cleared = one["cleared_on"]
        if one["outcome"] == "duplicate" or (cleared and cleared <= SEPTEMBER.last):
            assert after[name] == one
        elif after[name]["outcome"] == "matched":
            assert after[name]["cleared_on"] > SEPTEMBER.last


def assert_stated(
    world: World, entities: Sequence[str], closing: dict[tuple[Period, Key], Statement]
) -> None:
    """Every line is explained, and what is open rolls on from what was signed."""
    days = [Period(d, d) for d in (scenarios.START + timedelta(n) for n in range(scenarios.DAYS))]
    found = stated(world, SEPTEMBER, OCTOBER, *days)
    assert all(one.holds for one in found.values())
    for (period, key), one in found.items():
        if period == OCTOBER and key[0] in entities:
            was = closing.get((SEPTEMBER, key))
            assert one.open_items["opening"] == (was.open_items["closing"] if was else Figure())
    for entity in entities:
        for made in restatements(world.workplace, "small", entity, SEPTEMBER):
            assert made.unexplained == 0
    assert_checks_hold(world, [str(day) for day in days])


def assert_checks_hold(world: World, days: Sequence[str]) -> None:
    """The checks of production, which find the lines in scope without the engine."""
    stale = stale_days(world.workplace, "small")
    every = sorted({*map(date.fromisoformat, days), *stale.days})
    publish_statements(world.workplace, "small", every, run_id="run")
    mark_stated(world.workplace, "small", stale, run_id="run")
    for found in (
        matches._consumption(world.workplace, "small", days),
        statements._conservation(world.workplace, "small", days),
    ):
        wrong = {day: one.description for day, one in found.items() if not one.passed}
        assert wrong == {}


@worlds.examples(1, phases=[Phase.generate])
@given(SEEDS)
def test_after_a_lock_the_order_of_arrival_does_not_matter(seed: int) -> None:
    pick = random.Random(seed).choice
    scenario = scenarios.crowd(pick, 12)
    first = {w: spoiled(pick, rows) for w, rows in scenario.deliveries.items() if pick([0, 1, 1])}
    later = corrected_later(pick, portions(pick, scenario.deliveries))
    results = []
    for steps in (later, [scenario.deliveries]):
        with worlds.world({"small": scenario.reconciliation}) as world:
            world.deliver(first)
            world.reconcile("small")
            lock(world.workplace.register, "A", "2026-09")
            for step in steps:
                world.deliver(step)
                world.reconcile("small")
            results.append((world.outcomes("small"), world.files("small")))
    assert results[0] == results[1]


def test_the_statements_of_a_locked_month_are_those_signed(world: World) -> None:
    """Of the month and of its days; those of other entities and months are as they are now."""
    place, register = world.workplace, world.workplace.register
    release(register, "A", "2026-09")
    tenth = Period(date(2026, 9, 10), date(2026, 9, 10))
    publish_statements(place, "small", [tenth.first], run_id="run")
    month = statements_of(place, "small", [SEPTEMBER])[SEPTEMBER]
    day = statements_of(place, "small", [tenth])[tenth]
    lock(register, "A", "2026-09", json.dumps({"statements": [one.as_json() for one in month]}))
    before = [one.as_json() for one in month], [one.as_json() for one in day]
    world.deliver({("erp", "2026-11-02"): [posted("b", "50", "2026-09-12")]})
    world.reconcile("small")
    found = statements_of(place, "small", [SEPTEMBER, tenth, OCTOBER])
    assert ([o.as_json() for o in found[SEPTEMBER]], [o.as_json() for o in found[tenth]]) == before
    source, target = found[OCTOBER]
    assert source.open_items["cleared"] == source.open_items["opening"] == Figure(1, Decimal(50))
    assert target.rows["matched"] == Figure(2, Decimal(51))
    published = publish_statements(place, "small", [tenth.first], run_id="run")
    assert [one.as_json() for one in published[str(tenth)]] == before[1]
    assert register.heads("statements/small", [str(tenth)])[str(tenth)].version == 1


def test_a_restatement_leads_from_what_was_signed_to_what_is_known(world: World) -> None:
    register = world.workplace.register
    release(register, "A", "2026-09")
    month = statements_of(world.workplace, "small", [SEPTEMBER])[SEPTEMBER]
    lock(register, "A", "2026-09", json.dumps({"statements": [one.as_json() for one in month]}))
    corrected = [
        paid("a", "90", "2026-09-10", version=2),
        paid("b", "50", "2026-09-10", version=2),
    ]
    world.deliver(
        {
            ("psp", "2026-09-10"): corrected,
            ("psp", "2026-11-02"): [paid("z", "20", "2026-09-29")],
            ("erp", "2026-11-02"): [posted("b", "50", "2026-09-12")],
        }
    )
    world.reconcile("small")
    source, target = restatements(world.workplace, "small", "A", SEPTEMBER)
    assert source.signed is not None
    assert source.signed.rows["accepted"] == source.lines_signed == Figure(3, Decimal(157))
    assert [(one.line_id, one.amount, one.outcome) for one in source.corrections] == [
        ("P-a~2026-10", Decimal(-10), "open"),
        ("P-c~2026-10~was", Decimal(-7), "open"),
        ("P-z", Decimal(20), "open"),
    ]
    assert (source.lines_now, source.unexplained) == (Figure(3, Decimal(160)), 0)
    assert (source.cleared, target.cleared) == (Figure(1, Decimal(50)), Figure())
    assert [(one.line_id, one.outcome) for one in target.corrections] == [("E-b", "matched")]
    assert (target.lines_now, target.unexplained) == (Figure(3, Decimal(157)), 0)
    with pytest.raises(RequestError, match="2026-10 of A is not locked"):
        restatements(world.workplace, "small", "A", OCTOBER)
