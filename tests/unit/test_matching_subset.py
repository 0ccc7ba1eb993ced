"""Signed subset-sum against plain enumeration, and its cost."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from itertools import chain

import hypothesis
import pytest

from tieout.matching.subset import MOST_ITEMS, Answer, Set, solve

Choice = frozenset[tuple[str, int]]


def by_enumeration(sources: Sequence[int], targets: Sequence[int]) -> Answer:
    """The rules in plain loops over every choice of lines."""
    lines = [("source", n, a) for n, a in enumerate(sources) if a]
    lines += [("target", n, -a) for n, a in enumerate(targets) if a]
    sums: dict[Choice, int] = {frozenset(): 0}
    for side, n, amount in lines:
        sums |= {choice | {(side, n)}: total + amount for choice, total in sums.items()}
    both = [c for c, total in sums.items() if total == 0 and len({side for side, _ in c}) == 2]
    zero = sorted(both, key=len)
    smallest: list[Choice] = []
    for choice in zero:
        if not any(part <= choice for part in smallest):
            smallest.append(choice)
    alone = [c for c in smallest if not any(c & other for other in smallest if other is not c)]
    several = [c for c in smallest if c not in alone]
    shared = frozenset(chain.from_iterable(several))
    return Answer(tuple(map(as_set, alone)), as_set(shared), len(several))


def as_set(choice: Choice) -> Set:
    return Set(*(tuple(sorted(n for s, n in choice if s == side)) for side in ("source", "target")))


def in_order(answer: Answer) -> tuple[object, ...]:
    clear = sorted(answer.clear, key=lambda s: (s.sources, s.targets))
    return clear, answer.ambiguous, answer.found, answer.limit


def random_case(pick: random.Random, most: int) -> tuple[list[int], list[int]]:
    """Amounts that meet by chance rarely or all the time; often with a planted sum."""
    reach = pick.choice([5, 60, 2_000, 10**6])
    count = pick.randint(2, most)
    amounts = [pick.randint(-reach, reach) for _ in range(count)]
    cut = pick.randint(1, count - 1)
    sources, targets = amounts[:cut], amounts[cut:]
    if pick.random() < 0.7:
        chosen = pick.sample(range(len(sources)), pick.randint(1, len(sources)))
        targets[0] = sum(sources[n] for n in chosen)
    return sources, targets


def test_it_says_what_enumeration_says() -> None:
    """A thousand cases of up to 14 lines; 10,000 of up to 16 under the profile `fuzz`."""
    fuzz = hypothesis.settings.get_current_profile_name() == "fuzz"
    pick = random.Random(20261124)
    kinds = {"clear": 0, "several": 0, "none": 0}
    for _ in range(10_000 if fuzz else 1_000):
        sources, targets = random_case(pick, 16 if fuzz else 14)
        found, expected = solve(sources, targets), by_enumeration(sources, targets)
        if expected.found < 4096 and len(expected.clear) < 8:
            assert in_order(found) == in_order(expected), (sources, targets)
        kinds["clear" if found.clear else "several" if found.found else "none"] += 1
    assert min(kinds.values()) > 50, kinds


def test_the_published_example() -> None:
    found = solve([983, 637, 288, 500, 818], [-475, 2095, -725])
    assert found == Answer(clear=(Set((0, 1), (0, 1)),))


def test_two_pairs_that_share_nothing_are_both_clear() -> None:
    assert set(solve([10, 25], [25, 10]).clear) == {Set((0,), (1,)), Set((1,), (0,))}


def test_equal_lines_are_several_answers_and_none_is_taken() -> None:
    found = solve([10, 10, 7], [10, 7])
    assert found.clear == (Set((2,), (1,)),)
    assert (found.ambiguous, found.found) == (Set((0, 1), (0,)), 2)


def test_a_charge_and_its_refund_do_not_explain_the_other_side() -> None:
    assert solve([50, -50, 20], [20, 31]) == Answer(clear=(Set((2,), (0,)),))
    assert solve([50, -50, 20], [50]) == Answer(clear=(Set((0,), (0,)),))


def test_what_is_not_allowed_is_no_answer_and_no_rival() -> None:
    def not_the_second(lines: Set) -> bool:
        return 1 not in lines.sources

    assert solve([10, 10, 7], [10], not_the_second) == Answer(clear=(Set((0,), (0,)),))


@pytest.mark.parametrize("reach", [10**4, 10**6, 10**12])
def test_forty_lines_against_forty_are_answered_within_a_tenth_of_a_second(reach: int) -> None:
    pick = random.Random(7)
    cases = [[[pick.randint(-reach, reach) for _ in range(40)] for _ in range(2)] for _ in range(5)]
    solve(*cases[0])
    seconds = []
    for sources, targets in cases:
        started = time.perf_counter()
        found = solve(sources, targets)
        seconds.append(time.perf_counter() - started)
        assert found.limit is not None
        assert "80 lines" in found.limit
        assert bool(found.found) == (reach < 10**12)
    # The machine may be busy: the fastest says what the method costs.
    assert min(seconds) < 0.1, seconds


def test_the_most_lines_that_are_searched_exactly_hold_a_planted_answer() -> None:
    pick = random.Random(11)
    sources = [pick.randint(-(10**12), 10**12) for _ in range(MOST_ITEMS // 2)]
    targets = [pick.randint(-(10**12), 10**12) for _ in range(MOST_ITEMS // 2 - 1)]
    chosen = (1, 4, 9, 12)
    answer = solve(sources, [*targets, sum(sources[n] for n in chosen) - targets[3]])
    assert answer == Answer(clear=(Set(chosen, (3, MOST_ITEMS // 2 - 1)),))


def test_lines_too_large_to_take_part_cost_nothing() -> None:
    huge = [10**9 + n * n for n in range(200)]
    assert solve([5, *huge], [5]) == Answer(clear=(Set((0,), (0,)),))


def test_every_clear_set_has_equal_sums() -> None:
    pick = random.Random(3)
    for _ in range(200):
        sources, targets = random_case(pick, 30)
        for one in solve(sources, targets).clear:
            assert sum(sources[n] for n in one.sources) == sum(targets[n] for n in one.targets)
