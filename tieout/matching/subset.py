"""Signed subset-sum: which lines of one side together are which lines of the other, to the unit.

Amounts are whole numbers of a smallest unit, refunds and fees negative. A *solution* is a choice of
lines of both sides whose sums are equal; it is irreducible when no part of it is a solution too. An
irreducible solution that shares no line with another is the only explanation of its lines, and is
taken. Where irreducible solutions share lines there are several equally good answers, and none is
taken. A line of zero explains nothing and takes no part.

Method: meet in the middle (Horowitz and Sahni 1974), exact up to MOST_ITEMS lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

MOST_ITEMS = 36
"""Lines that are searched exactly: two tables of 2^18 sums."""
MOST_SOLUTIONS = 4096
"""Solutions that are looked at one by one."""
_PROBE = 30
"""Of more lines than that, so many of the smallest are searched: enough to prove ambiguity."""


@dataclass(frozen=True, slots=True)
class Set:
    """Lines that explain each other, by their positions; equal sums."""

    sources: tuple[int, ...]
    targets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search found.

    `clear` are the solutions that share no line with another; `ambiguous` holds the lines that
    several solutions share, and `found` how many solutions those are (at least, where `limit` is
    given). `limit` says which bound ended the search, None where it was exhaustive.
    """

    clear: tuple[Set, ...] = ()
    ambiguous: Set = Set((), ())
    found: int = 0
    limit: str | None = None


Allowed = Callable[[Set], bool]
"""Whether lines may explain each other for another reason than their amounts: their dates."""


def solve(
    sources: Sequence[int], targets: Sequence[int], allowed: Allowed = lambda _lines: True
) -> Answer:
    """Find which sources sum to which targets.

    Amounts are whole numbers of one unit and currency, with sums below 2^62. `allowed` must refuse
    a choice when it refuses a part of it.
    """
    items = {n: amount for n, amount in enumerate([*sources, *(-t for t in targets)]) if amount}
    items = _possible(items)
    if len(items) <= MOST_ITEMS:
        return _told(items, len(sources), allowed)
    smallest = sorted(items, key=lambda n: (abs(items[n]), n))[:_PROBE]
    probed = _told({n: items[n] for n in sorted(smallest)}, len(sources), allowed)
    limit = f"{len(items)} lines could take part, {MOST_ITEMS} can be searched"
    # What is clear among some of the lines may not be so among all of them.
    return Answer(ambiguous=probed.ambiguous, found=probed.found, limit=limit)


def _possible(items: dict[int, int]) -> dict[int, int]:
    """Without the lines that are too large for all lines of the other sign together."""
    while True:
        plus = sum(a for a in items.values() if a > 0)
        minus = -sum(a for a in items.values() if a < 0)
        left = {n: a for n, a in items.items() if (a <= minus if a > 0 else -a <= plus)}
        if len(left) == len(items):
            return left
        items = left


def _told(items: dict[int, int], first_target: int, allowed: Allowed) -> Answer:
    names = list(items)
    count, masks = _zero_sums(list(items.values()))
    if count > MOST_SOLUTIONS:
        everything = _set(names, (1 << len(names)) - 1, first_target)
        return Answer(ambiguous=everything, found=count)

    def solves(mask: int) -> bool:
        one = _set(names, mask, first_target)
        return bool(one.sources and one.targets) and allowed(one)

    groups = _sharing(_irreducible([mask for mask in masks if solves(mask)]))
    clear = [_set(names, group[0], first_target) for group in groups if len(group) == 1]
    several = [mask for group in groups if len(group) > 1 for mask in group]
    shared = 0
    for mask in several:
        shared |= mask
    return Answer(
        tuple(clear),
        _set(names, shared, first_target),
        len(several),
    )


def _zero_sums(amounts: Sequence[int]) -> tuple[int, list[int]]:
    """How many non-empty choices sum to zero; and, where they are few, each as a bit mask."""
    half = len(amounts) // 2
    left = _sums(amounts[:half]).rename({"mask": "left"})
    right = _sums([-a for a in amounts[half:]]).rename({"mask": "right"})
    left = left.join(right, on="sum", how="semi")
    right = right.join(left, on="sum", how="semi")
    sizes = [side.group_by("sum").len() for side in (left, right)]
    both = sizes[0].join(sizes[1], on="sum")
    count = sum(a * b for a, b in zip(both["len"], both["len_right"], strict=True)) - 1
    if count > MOST_SOLUTIONS:
        return count, []
    pairs = left.join(right, on="sum").select("left", "right").rows()
    return count, sorted(one | other << half for one, other in pairs if one or other)


def _sums(amounts: Sequence[int]) -> pl.DataFrame:
    """The sum of every choice; bit n of its `mask` stands for amount n."""
    sums = pl.Series("sum", [0], dtype=pl.Int64)
    for amount in amounts:
        sums = pl.concat([sums, sums + amount])
    return pl.DataFrame({"sum": sums}).with_row_index("mask")


def _irreducible(masks: Sequence[int]) -> list[int]:
    """The choices of which no part is a choice too."""
    found: list[int] = []
    for mask in sorted(masks, key=lambda m: (m.bit_count(), m)):
        if not any(part & mask == part for part in found):
            found.append(mask)
    return found


def _sharing(masks: Sequence[int]) -> list[list[int]]:
    """Choices grouped so that those of different groups share no line."""
    groups: list[tuple[int, list[int]]] = []
    for mask in masks:
        joined, members = mask, [mask]
        apart = []
        for lines, group in groups:
            if lines & mask:
                joined, members = joined | lines, [*group, *members]
            else:
                apart.append((lines, group))
        groups = [*apart, (joined, members)]
    return [members for _, members in groups]


def _set(names: Sequence[int], mask: int, first_target: int) -> Set:
    chosen = [name for n, name in enumerate(names) if mask >> n & 1]
    return Set(
        tuple(n for n in chosen if n < first_target),
        tuple(n - first_target for n in chosen if n >= first_target),
    )
