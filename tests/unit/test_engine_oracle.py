"""The engine against the oracle: what became of every line, by which pass, why, against what."""

from __future__ import annotations

import random

import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st

from tests import reference, scenarios, worlds
from tests.scenarios import Scenario


def assert_as_the_oracle_says(scenario: Scenario) -> None:
    with worlds.world({"small": scenario.reconciliation}) as world:
        world.deliver(scenario.deliveries)
        report = world.reconcile("small")
        found = world.outcomes("small")
    expected = reference.reconcile(scenario.reconciliation, worlds.FEEDS, scenario.rows)
    worlds.assert_same(found, expected, scenario)
    named = [one["outcome"] for one in expected]
    assert (report.lines, report.matched, report.open, report.duplicates) == (
        len(named),
        named.count("matched"),
        named.count("open"),
        named.count("duplicate"),
    )


@worlds.examples(15)
@given(scenarios.scenarios())
def test_every_line_of_a_small_world_ends_as_the_oracle_says(scenario: Scenario) -> None:
    assert_as_the_oracle_says(scenario)


@pytest.mark.parametrize(
    "shapes", [*([shape] for shape in scenarios.SHAPES), scenarios.SHAPES], ids=str
)
@worlds.examples(3, phases=[Phase.generate])
@given(seed=st.integers(min_value=0, max_value=2**32))
def test_every_line_of_many_worlds_ends_as_the_oracle_says(seed: int, shapes: list[str]) -> None:
    assert_as_the_oracle_says(scenarios.crowd(random.Random(seed).choice, 300, shapes=shapes))
