"""Several runs on one partition at once, from a barrier: exactly one of them publishes."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Callable
from threading import Barrier, Thread
from typing import Any

import pytest

from tieout.errors import FencedError, TieoutError
from tieout.register.records import NewPublication
from tieout.register.register import Register

TABLE, DAY = "lines/adyen", "2026-10-05"


def seed(url: str, seeded: bool) -> int:
    """An empty or a published partition; returns its version."""
    with Register.open(url) as register:
        if seeded:
            epochs = register.take_epochs(TABLE, [DAY], "seed")
            register.publish([NewPublication(TABLE, DAY)], {(TABLE, DAY): epochs[DAY]}, run_id="s")
    return int(seeded)


def take_and_publish(url: str, run: str, barrier: Any, told: Any) -> None:
    """A run: takes the partition over, waits until all others have too, then publishes."""
    with Register.open(url) as register:
        epochs = register.take_epochs(TABLE, [DAY], run)
        barrier.wait(timeout=60)
        try:
            register.publish([NewPublication(TABLE, DAY)], {(TABLE, DAY): epochs[DAY]}, run_id=run)
            told.put((run, epochs[DAY], "published"))
        except FencedError:
            told.put((run, epochs[DAY], "refused"))


def race(url: str, start: Callable[..., Any], barrier: Any, told: Any, runs: int) -> list[Any]:
    racers = [start(target=take_and_publish, args=(url, f"run-{n}", barrier, told)) for n in
              range(runs)]  # fmt: skip
    for racer in racers:
        racer.start()
    results = [told.get(timeout=60) for _ in racers]
    for racer in racers:
        racer.join(timeout=60)
    return results


def assert_one_won(url: str, results: list[Any], before: int) -> None:
    published = [r for r in results if r[2] == "published"]
    assert len(published) == 1, results
    assert published[0][1] == max(epoch for _, epoch, _ in results), "the newest epoch wins"
    with Register.open(url) as register:
        head = register.heads(TABLE)[DAY]
    assert (head.run_id, head.version) == (published[0][0], before + 1)


@pytest.mark.parametrize("seeded", [False, True])
def test_of_two_processes_one_publishes(register_url: str, seeded: bool) -> None:
    before = seed(register_url, seeded)
    spawn = multiprocessing.get_context("spawn")
    results = race(register_url, spawn.Process, spawn.Barrier(2), spawn.Queue(), 2)
    assert_one_won(register_url, results, before)


@pytest.mark.parametrize("seeded", [False, True])
def test_of_many_threads_one_publishes(register_url: str, seeded: bool) -> None:
    import queue

    before = seed(register_url, seeded)
    for _ in range(5):
        results = race(register_url, Thread, Barrier(6), queue.Queue(), 6)
        assert_one_won(register_url, results, before)
        before += 1


def test_publishers_of_many_partitions_never_block_each_other(register: Register) -> None:
    """Each takes and publishes all partitions, in an order of its own, until it was not refused.

    Taking a partition refuses whoever took it before, so four that try again at once can refuse
    each other for ever: as a retried run does, each waits a while that it draws itself, longer
    each time.
    """
    days = [f"2026-10-{day:02d}" for day in range(1, 31)]
    tables = ("lines/a", "quarantine/a", "deliveries/a")
    barrier, done, failed = Barrier(4), list[int](), list[TieoutError]()

    def work(number: int) -> None:
        try:
            take_and_publish_all(number)
        except TieoutError as error:  # a thread's own would be lost
            failed.append(error)

    def take_and_publish_all(number: int) -> None:
        order = random.Random(number)
        barrier.wait(timeout=30)
        for attempt in range(50):
            epochs = {
                (table, day): epoch
                for table in order.sample(tables, 3)
                for day, epoch in register.take_epochs(
                    table, order.sample(days, 30), f"run-{number}"
                ).items()
            }
            new = [NewPublication(table, day) for table, day in order.sample(list(epochs), 90)]
            try:
                register.publish(new, epochs, run_id=f"run-{number}")
            except FencedError:
                time.sleep(order.uniform(0, min(0.05 * 2**attempt, 5)))
                continue
            done.append(number)
            return

    threads = [Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=200)
    assert not failed
    assert sorted(done) == [0, 1, 2, 3]
    for table in tables:
        assert {p.version for p in register.heads(table).values()} == {4}
