"""A line is in at most one match: the proof that every run of the engine ends with can fail."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from tests import scenarios, worlds
from tieout.engine.duck import Engine
from tieout.errors import TieoutError
from tieout.matching import passes

SPOIL = {
    "is in 2 matches": "INSERT INTO taken SELECT * FROM taken WHERE pass > 0 LIMIT 1",
    "lacks its other lines": """
        DELETE FROM taken WHERE lid = (SELECT max(other_lid) FROM taken WHERE pass > 0)""",
    "a match that lacks": """
        UPDATE taken SET match_lid = lid
        WHERE lid = (SELECT max(lid) FROM taken WHERE pass > 0 AND lid <> match_lid)""",
}


@pytest.fixture
def spoilt(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], worlds.World]]:
    """A world whose engine does something to `taken` after its passes."""
    scenario = scenarios.crowd(random.Random(7).choice, 20, ["settlement_to_ledger"])
    diagnose = passes.diagnose
    with worlds.world({"small": scenario.reconciliation}) as world:
        world.deliver(scenario.deliveries)

        def spoil(statement: str) -> worlds.World:
            def diagnose_and_spoil(engine: Engine, *given: object) -> None:
                diagnose(engine, *given)  # type: ignore[arg-type]
                engine.connection.execute(statement).fetchall()

            monkeypatch.setattr(passes, "diagnose", diagnose_and_spoil)
            return world

        yield spoil


@pytest.mark.parametrize("said", SPOIL)
def test_a_line_taken_twice_or_a_torn_match_ends_the_run(
    spoilt: Callable[[str], worlds.World], said: str
) -> None:
    world = spoilt(SPOIL[said])
    with pytest.raises(TieoutError, match=said):
        world.reconcile("small")
    assert world.workplace.register.heads("outcomes/small") == {}, "nothing is published"


def test_what_the_passes_take_is_taken_once(spoilt: Callable[[str], worlds.World]) -> None:
    world = spoilt("SELECT 1")
    assert world.reconcile("small").matched > 0
