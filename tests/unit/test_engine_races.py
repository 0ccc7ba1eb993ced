"""Two runs of one reconciliation at once: one publishes, the other is refused; nothing is mixed."""

from __future__ import annotations

import random
from dataclasses import replace
from threading import Barrier, Event, Thread
from typing import Any

import pytest

from tests import reference, scenarios, worlds
from tests.worlds import World
from tieout.errors import FencedError
from tieout.matching.reconcile import reconcile
from tieout.register.register import Register

SMALL = scenarios.crowd(random.Random(7).choice, 10, ["settlement_to_ledger"])


def run_together(world: World, runs: int) -> dict[str, str]:
    """Runs of one reconciliation that all have started before any of them ends."""
    barrier, ended = Barrier(runs), dict[str, str]()

    def run(name: str) -> None:
        waited: list[int] = []

        def at_the_first_pass(_label: str, _done: int, _total: int) -> None:
            if not waited:
                waited.append(barrier.wait(timeout=60))

        with Register.open(url_of(world)) as register:
            own = replace(world.workplace, register=register)
            try:
                reconcile(own, "small", run_id=name, progress=at_the_first_pass)
                ended[name] = "published"
            except FencedError:
                ended[name] = "refused"

    threads = [Thread(target=run, args=(f"run-{n}",)) for n in range(runs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    return ended


def url_of(world: World) -> Any:
    return world.workplace.register._readers.url


def outcomes_written(world: World) -> set[str]:
    heads = world.workplace.register.heads("outcomes/small")
    return {head.run_id for head in heads.values()}


@pytest.mark.parametrize("seeded", [False, True])
def test_of_two_runs_from_a_barrier_one_publishes(register_url: str, seeded: bool) -> None:
    with worlds.world({"small": SMALL.reconciliation}, register_url) as world:
        if seeded:
            world.deliver({window: rows[:1] for window, rows in SMALL.deliveries.items()})
            world.reconcile("small", run_id="seed")
        world.deliver(SMALL.deliveries)
        ended = run_together(world, 2)
        assert sorted(ended.values()) == ["published", "refused"]
        winner = next(run for run, end in ended.items() if end == "published")
        assert outcomes_written(world) == {winner}
        assert_right_and_complete(world)


def test_of_many_runs_from_a_barrier_one_publishes(register_url: str) -> None:
    with worlds.world({"small": SMALL.reconciliation}, register_url) as world:
        world.deliver(SMALL.deliveries)
        ended = run_together(world, 5)
        assert sorted(ended.values()) == ["published", *["refused"] * 4]
        assert_right_and_complete(world)


def test_an_older_run_that_is_refused_does_not_get_the_newer_one_refused(
    register_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The older run tries to publish just when the newer one is about to, with all it needs."""
    with worlds.world({"small": SMALL.reconciliation}, register_url) as world:
        world.deliver(SMALL.deliveries)
        started, go_on, ended = Event(), Event(), list[str]()
        publish = Register.publish

        def older() -> None:
            def until_told(_label: str, _done: int, _total: int) -> None:
                started.set()
                assert go_on.wait(timeout=60)

            try:
                with Register.open(url_of(world)) as register:
                    place = replace(world.workplace, register=register)
                    reconcile(place, "small", run_id="older", progress=until_told)
            except FencedError:
                ended.append("refused")

        def publish_after_the_older(self: Register, *given: Any, **named: Any) -> Any:
            if named["run_id"] == "newer":
                go_on.set()
                thread.join(timeout=60)
                assert ended == ["refused"]
            return publish(self, *given, **named)

        thread = Thread(target=older)
        thread.start()
        assert started.wait(timeout=60)
        monkeypatch.setattr(Register, "publish", publish_after_the_older)
        world.reconcile("small", run_id="newer")
        assert outcomes_written(world) == {"newer"}
        assert_right_and_complete(world)


def assert_right_and_complete(world: World) -> None:
    """The outcomes are right as they stand, and nothing is left to do."""
    assert world.reconcile("small").days == ()
    expected = reference.reconcile(SMALL.reconciliation, worlds.FEEDS, SMALL.rows)
    worlds.assert_same(world.outcomes("small"), expected, SMALL)
