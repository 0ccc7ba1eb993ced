"""However extracts arrive, the published files are the same bytes: order, portions, corrections."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from hypothesis import Phase, given
from hypothesis import strategies as st

from tests import scenarios, worlds
from tests.scenarios import Pick, Row, Scenario, Window
from tests.worlds import World
from tieout.periods import Period, month_of
from tieout.statement import statements_of

Step = dict[Window, list[Row]]
SEEDS = st.integers(min_value=0, max_value=2**32)


def all_at_once(scenario: Scenario) -> Any:
    with worlds.world({"small": scenario.reconciliation}) as world:
        world.deliver(scenario.deliveries)
        world.reconcile("small")
        return told(world)


def step_by_step(scenario: Scenario, steps: Sequence[Step]) -> Any:
    with worlds.world({"small": scenario.reconciliation}) as world:
        for number, step in enumerate(steps):
            world.deliver(step)
            world.reconcile("small", run_id=f"run-{number}")
        assert world.reconcile("small").days == (), "nothing was new, and still something was done"
        return told(world)


def told(world: World) -> Any:
    """All outcomes, sha256 of the files they are in by day, and statements of days and months."""
    days = [scenarios.START + timedelta(days=n) for n in range(-1, scenarios.DAYS + 1)]
    months = sorted({month_of(day) for day in days})
    made = statements_of(world.workplace, "small", months + [Period(day, day) for day in days])
    stated = [one.as_json() for some in made.values() for one in some]
    return world.outcomes("small"), world.files("small"), stated


def assert_same(found: Any, expected: Any, scenario: Scenario) -> None:
    worlds.assert_same(found[0], expected[0], scenario)
    assert found == expected, "equal outcomes in other bytes, or other statements of them"


def portions(pick: Pick, deliveries: Step) -> list[Step]:
    """The same deliveries in a random order, in two to five portions."""
    waiting, steps = list(deliveries), []
    size = -(-len(waiting) // pick([2, 3, 5]))
    while waiting:
        step: Step = {}
        for _ in range(min(size, len(waiting))):
            window = waiting.pop(pick(range(len(waiting))))
            step[window] = deliveries[window]
        steps.append(step)
    return steps


def corrected_later(pick: Pick, steps: Sequence[Step]) -> list[Step]:
    """Some windows come wrong at first: lines missing, lines too many, lines changed."""
    first: list[Step] = [{}]
    for step in steps:
        first[-1] |= {window: spoiled(pick, rows) for window, rows in step.items() if pick([0, 1])}
        first.append(step)
    return [step for step in first if step]


def spoiled(pick: Pick, rows: Sequence[Row]) -> list[Row]:
    found = []
    for row in rows:
        changes: list[Row] = [
            {},
            {},
            {"amount": -row["amount"]},
            {"entity": "B" if row["entity"] == "A" else "A"},
            {"period": row["period"] + timedelta(days=pick([-1, 1, 2]))},
        ]
        found += pick(
            [[], [row], [row | pick(changes)], [row, row | {"line_id": f"{row['line_id']}x"}]]
        )
    return found


def assert_arrival_does_not_matter(pick: Pick, scenario: Scenario, *, corrections: bool) -> None:
    steps = portions(pick, scenario.deliveries)
    if corrections:
        steps = corrected_later(pick, steps)
    assert_same(step_by_step(scenario, steps), all_at_once(scenario), scenario)


@worlds.examples(3)
@given(st.data())
def test_portions_of_a_small_world_in_any_order_give_the_same_bytes(data: st.DataObject) -> None:
    def pick(options: Sequence[Any]) -> Any:
        return data.draw(st.sampled_from(options))

    assert_arrival_does_not_matter(pick, scenarios.scenario(pick), corrections=True)


@worlds.examples(2, phases=[Phase.generate])
@given(SEEDS)
def test_portions_of_many_worlds_in_any_order_give_the_same_bytes(seed: int) -> None:
    pick = random.Random(seed).choice
    assert_arrival_does_not_matter(pick, scenarios.crowd(pick, 25), corrections=False)


@worlds.examples(2, phases=[Phase.generate])
@given(SEEDS)
def test_windows_corrected_later_leave_no_trace(seed: int) -> None:
    pick = random.Random(seed).choice
    assert_arrival_does_not_matter(pick, scenarios.crowd(pick, 25), corrections=True)


@worlds.examples(2, phases=[Phase.generate])
@given(SEEDS)
def test_the_order_of_rows_in_a_file_does_not_matter(seed: int) -> None:
    rng = random.Random(seed)
    scenario = scenarios.crowd(rng.choice, 40)
    shuffled = {window: rng.sample(rows, len(rows)) for window, rows in scenario.deliveries.items()}
    again = Scenario(scenario.pair, scenario.reconciliation, shuffled)
    assert_same(all_at_once(again), all_at_once(scenario), scenario)
