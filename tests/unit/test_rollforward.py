"""Open items rolled forward by class, against a count in plain Python, across locks."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import Phase, given

from checks.rolling import roll_forward
from tests import scenarios, worlds
from tests.locking import lock
from tests.unit.test_engine_arrival import portions
from tests.unit.test_engine_locks import (
    OCTOBER,
    ONE_TO_ONE,
    SEEDS,
    SEPTEMBER,
    corrected_later,
    paid,
    posted,
)
from tests.worlds import World
from tieout.model import Figure
from tieout.periods import Period
from tieout.rollforward import RollForward, roll_forwards
from tieout.statement import publish_statements, statements
from tieout.statement_inputs import delivered_through

Item = tuple[str, str, str, str, str, str, date, Decimal]
"""Entity, currency, side, class, feed, line, day and amount."""


def days_of(*periods: Period) -> list[date]:
    return [day for period in periods for day in period.days()]


@pytest.fixture
def world() -> Iterator[World]:
    with worlds.world({"small": ONE_TO_ONE}) as made:
        made.deliver(
            {
                ("psp", "2026-09-10"): [
                    paid("a", "100", "2026-09-10"),
                    paid("b", "50", "2026-09-10"),
                    paid("c", "7", "2026-09-29"),
                    paid("d", "3", "2026-08-20"),
                ],
                ("erp", "2026-09-10"): [posted("a", "100", "2026-09-10")],
                ("erp", "2026-09-30"): [],
                ("psp", "2026-09-30"): [],
            }
        )
        made.reconcile("small")
        yield made


def source(found: Sequence[RollForward]) -> RollForward:
    (one,) = (one for one in found if one.side == "source" and one.entity == "A")
    return one


def told(one: RollForward) -> dict[str, dict[str, tuple[int, str]]]:
    return {
        name: {f: (x.count, str(x.amount)) for f, x in rolled.items() if x.count}
        for name, rolled in one.classes.items()
    }


def test_a_month_worked_by_hand(world: World) -> None:
    """b and d are overdue in September; c was sent on its last but one day and may still come."""
    found = source(roll_forwards(world.workplace, "small", SEPTEMBER))
    missing = "missing_in_target"
    assert told(found)[missing] == {
        "opening": (1, "3.000000000000"),
        "new": (1, "50.000000000000"),
        "closing": (2, "53.000000000000"),
    }
    assert told(found)["timing"] == {
        "new": (1, "7.000000000000"),
        "closing": (1, "7.000000000000"),
    }
    assert found.ageing[missing]["8-30"] == Figure(1, Decimal(50))
    assert found.ageing[missing]["31-90"] == Figure(1, Decimal(3))
    assert found.ageing["timing"]["0-1"] == Figure(1, Decimal(7))
    # September is signed; then d is posted, c is overdue, and a late line of September comes.
    lock(world.workplace.register, "A", "2026-09")
    world.deliver(
        {
            ("erp", "2026-10-31"): [posted("d", "3", "2026-08-22")],
            ("psp", "2026-10-31"): [paid("z", "20", "2026-09-29")],
        }
    )
    world.reconcile("small")
    signed = source(roll_forwards(world.workplace, "small", SEPTEMBER))
    assert signed.signed_at is not None
    assert replace(signed, signed_at=None) == found
    after = source(roll_forwards(world.workplace, "small", OCTOBER))
    assert after.signed_at is not None
    zeros = ".000000000000"
    assert told(after) == {
        "timing": {"opening": (1, f"7{zeros}"), "moved_out": (1, f"7{zeros}")},
        missing: {
            "opening": (2, f"53{zeros}"),
            "moved_in": (1, f"7{zeros}"),
            "cleared": (1, f"3{zeros}"),
            "closing": (2, f"57{zeros}"),
        },
        "closed_period_correction": {"new": (1, f"20{zeros}"), "closing": (1, f"20{zeros}")},
    }
    assert after.ageing["closed_period_correction"]["8-30"] == Figure(1, Decimal(20))
    assert (after.unexplained, after.appeared) == ({}, Figure())


def test_the_check_is_red_where_a_closing_is_not_what_the_lines_say(world: World) -> None:
    days = days_of(SEPTEMBER, OCTOBER)
    publish_statements(world.workplace, "small", [date(2026, 8, 31), *days], run_id="run")
    asked = ["2026-09-29", "2026-09-30", "2026-10-31"]
    found = roll_forward(world.workplace, "small", asked)
    assert [found[day].passed for day in asked] == [True, True, True], found
    assert "every class of 2026-09 adds up" in found["2026-09-30"].description
    assert "class" not in found["2026-09-29"].description
    # What clears b is worked in, and the statements are left as they are.
    world.deliver({("erp", "2026-09-11"): [posted("b", "50", "2026-09-11")]})
    world.reconcile("small")
    found = roll_forward(world.workplace, "small", asked)
    assert not found["2026-09-30"].passed
    assert "2 lines by class, 3 on the statement of 2026-09-30" in found["2026-09-30"].description
    assert not found["2026-10-31"].passed


# Against plain Python


def open_at(world: World, rows: Sequence[dict[str, Any]], day: date) -> Counter[Item]:
    """What is open at the end of a day by outcomes and deliveries known now."""
    through = delivered_through(world.workplace, "small")
    found: Counter[Item] = Counter()
    for one in rows:
        cleared = one["outcome"] == "matched" and one["cleared_on"] <= day
        if one["period"] > day or one["outcome"] == "duplicate" or cleared:
            continue
        other = through.target if one["side"] == "source" else through.source
        if one["outcome"] == "matched":
            name = "matched_in_transit"
        else:
            name = "timing" if one["due_on"] > other else one["break_class"]
        key = (one["entity"], one["currency"], one["side"], name)
        found[*key, one["feed"], one["line_id"], one["period"], one["amount"]] += 1
    return found


def sums(items: Counter[Item]) -> dict[tuple[str, ...], Figure]:
    found: dict[tuple[str, ...], Figure] = defaultdict(Figure)
    for item, count in items.items():
        found[item[:4]] += Figure(count, item[-1] * count)
    return dict(found)


def by_class(found: Sequence[RollForward], figure: str) -> dict[tuple[str, ...], Figure]:
    return {
        (one.entity, one.currency, one.side, name): rolled[figure]
        for one in found
        for name, rolled in one.classes.items()
        if rolled[figure].count
    }


@worlds.examples(1, phases=[Phase.generate])
@given(SEEDS)
def test_every_class_rolls_as_a_plain_count_says(seed: int) -> None:
    pick = random.Random(seed).choice
    scenario = scenarios.crowd(pick, 12)
    steps = corrected_later(pick, portions(pick, scenario.deliveries))
    at = pick(range(1, len(steps) + 1))
    before = SEPTEMBER.last
    with worlds.world({"small": scenario.reconciliation}) as world:
        for step in steps[:at]:
            world.deliver(step)
            world.reconcile("small")
        signed = open_at(world, world.outcomes("small"), before)
        for entity in (locked := pick([["A"], ["A", "B"]])):
            lock(world.workplace.register, entity, "2026-09")
        for step in steps[at:]:
            world.deliver(step)
        world.reconcile("small")
        rows = world.outcomes("small")
        now = open_at(world, rows, before)
        opening = Counter({item: n for item, n in signed.items() if item[0] in locked})
        opening += Counter({item: n for item, n in now.items() if item[0] not in locked})
        closing = open_at(world, rows, OCTOBER.last)
        found = roll_forwards(world.workplace, "small", OCTOBER)
        assert by_class(found, "opening") == sums(opening)
        assert by_class(found, "closing") == sums(closing)
        # Lines, whatever their class: those of one end only were cleared, or are new.
        bare = [Counter({(*i[:3], "", *i[4:]): 0 for i in c}) for c in (opening, closing)]
        for total, items in zip(bare, (opening, closing), strict=True):
            for item, count in items.items():
                total[*item[:3], "", *item[4:]] += count
        gone, came = bare[0] - bare[1], bare[1] - bare[0]
        assert all(item[6] > before for item in came)
        assert count_of(found, "cleared") == sum(gone.values())
        assert count_of(found, "new") == sum(came.values())
        assert [one.unexplained for one in found] == [{} for _ in found]
        # And the statements at both ends say the same in one figure.
        for day, figure in ((before, "opening"), (OCTOBER.last, "closing")):
            stated = {
                (one.entity, one.currency, one.side): one.open_items["closing"]
                for one in statements(world.workplace, "small", Period(day, day))
                if one.open_items["closing"].count
            }
            rolled = {(r.entity, r.currency, r.side): r.total(figure) for r in found}
            assert {key: total for key, total in rolled.items() if total.count} == stated
        assert not [one for one in found if one.appeared.count]


def count_of(found: Sequence[RollForward], figure: str) -> int:
    return sum(one.total(figure).count for one in found)
