"""The pass that searches: within a group, which lines of both sides sum to the same.

Keyed passes have taken what they can; a search sees the small rest, a group of equal key, entity
and currency at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from math import gcd

import polars as pl

from tieout.engine.duck import Engine
from tieout.matching.subset import Answer, Set, solve

_UNITS = 12
"""Decimals of a line's amount, at most: in this unit every amount is a whole number."""
_LARGEST = 1 << 62
_FOUND = {
    "lid": pl.Int64(),
    "match_lid": pl.Int64(),
    "other_lid": pl.Int64(),
    "cleared_on": pl.Date(),
}
_SEVERAL = {"lid": pl.Int64(), "found": pl.Int64(), "search_limit": pl.String()}


def search(engine: Engine, number: int, window: tuple[int, int]) -> None:
    """Take the sets of free lines that explain each other and share no line with another set.

    Lines that several sets share are noted in table searched, and stay free. `window`: every target
    of a set is dated from..to so many days after every source.
    """
    found = _Found(window)
    groups = ["match_key", "entity", "currency"]
    for group in engine.table("subset_line").partition_by(groups, maintain_order=True):
        found.add(group)
    engine.frame("found_set", pl.DataFrame(found.sets, schema=_FOUND, orient="row"))
    engine.frame("found_several", pl.DataFrame(found.several, schema=_SEVERAL, orient="row"))
    engine.run("take_subset", **{"pass": number})
    engine.run("note_searched")


@dataclass
class _Found:
    """Rows for the tables taken and searched."""

    window: tuple[int, int]
    sets: list[tuple[int, int, int, date]] = field(default_factory=list)
    several: list[tuple[int, int, str | None]] = field(default_factory=list)

    def add(self, group: pl.DataFrame) -> None:
        """Search one group; its sources stand before its targets."""
        sides = [group.filter(pl.col("side") == side) for side in ("source", "target")]
        handles = [side["lid"].to_list() for side in sides]
        days = [side["period"].to_list() for side in sides]
        answer = self._answer([side["amount"].to_list() for side in sides], days)
        for one in answer.clear:
            self._take(one, handles, days)
        told = _members(answer.ambiguous, handles)
        self.several += [(lid, answer.found, answer.limit) for lid in told]
        if answer.limit is not None:
            rest = [lid for side in handles for lid in side if lid not in set(told)]
            self.several += [(lid, 0, answer.limit) for lid in rest]

    def _answer(self, amounts: Sequence[Sequence[Decimal]], days: Sequence[list[date]]) -> Answer:
        sources, targets = ([_whole(amount) for amount in side] for side in amounts)
        unit = gcd(*sources, *targets) or 1
        if sum(map(abs, [*sources, *targets])) // unit >= _LARGEST:
            return Answer(limit="the amounts are too large and too fine to be searched together")
        first, last = self.window
        return solve(
            [amount // unit for amount in sources],
            [amount // unit for amount in targets],
            lambda source, target: first <= (days[1][target] - days[0][source]).days <= last,
        )

    def _take(self, one: Set, handles: Sequence[list[int]], days: Sequence[list[date]]) -> None:
        """The first source stands for the match; lines are in order, so it is always the same."""
        cleared = max(_days(one.sources, days[0]) + _days(one.targets, days[1]))
        source, target = handles[0][one.sources[0]], handles[1][one.targets[0]]
        self.sets += [(handles[0][n], source, target, cleared) for n in one.sources]
        self.sets += [(handles[1][n], source, source, cleared) for n in one.targets]


def _whole(amount: Decimal) -> int:
    return int(amount.scaleb(_UNITS))


def _days(places: Sequence[int], days: Sequence[date]) -> list[date]:
    return [days[n] for n in places]


def _members(one: Set, handles: Sequence[list[int]]) -> list[int]:
    return [handles[0][n] for n in one.sources] + [handles[1][n] for n in one.targets]
