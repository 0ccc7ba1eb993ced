"""Signed subset-sum: which lines of one side together are which lines of the other, to the unit.

Amounts are whole numbers of a smallest unit, refunds and fees negative. A *solution* is a choice of
lines of both sides whose sums are equal; it is irreducible when no part of it is a solution too. An
irreducible solution that shares no line with another is the only explanation of its lines, and is
taken. Where irreducible solutions share lines there are several equally good answers, and none is
taken. A line of zero explains nothing and takes no part.

Method: with targets negative, a solution is a set that sums to zero. Where the sums are few enough
for a table, sets are found by the sums that can be reached (tieout.matching.reachable), and any 36
lines by the sums of two halves (tieout.matching.halves). Both are exact, or say what ended them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from math import gcd

from tieout.matching import halves, reachable
from tieout.matching.reachable import Minimal

MOST_SOLUTIONS = 500
"""Irreducible solutions that are looked for."""
_MOST_OFFSET = 2_000
"""Sources that sum to zero beside targets that do: pairs of such sets that are looked at."""
_PROBE = 30
"""Of lines too many and too different, so many are searched: enough to prove ambiguity."""


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


Allowed = Callable[[int, int], bool]
"""Whether a source and a target, by position, may explain each other: by their dates."""


def solve(sources: Sequence[int], targets: Sequence[int], allowed: Allowed | None = None) -> Answer:
    """Find which sources sum to which targets, each source `allowed` with each target.

    Amounts are whole numbers of one unit and currency, with sums below 2^62.
    """
    items = {n: amount for n, amount in enumerate([*sources, *(-t for t in targets)]) if amount}
    items = _possible(items)
    names = sorted(items, key=lambda n: (abs(items[n]), n))
    unit = gcd(*items.values()) or 1
    amounts = [items[n] // unit for n in names]
    apart = _apart(names[: reachable.MOST_LINES], len(sources), allowed)
    return _told(_minimal_sets(amounts, apart), names, len(sources), apart)


def _minimal_sets(amounts: Sequence[int], apart: Sequence[int]) -> Minimal:
    if reachable.fits(amounts):
        return reachable.minimal_sets(amounts, apart, MOST_SOLUTIONS)
    if len(amounts) <= halves.MOST_LINES:
        return halves.minimal_sets(amounts, apart, MOST_SOLUTIONS)
    # Where not even so many fit, the table would say less than the halves do.
    if reachable.fits(amounts[: halves.MOST_LINES]):
        most = reachable.MOST_LINES
        found = reachable.minimal_sets(amounts[:most], apart, MOST_SOLUTIONS)
    else:
        most = halves.MOST_LINES
        found = halves.minimal_sets(amounts[:_PROBE], apart, MOST_SOLUTIONS)
    if found.limit is None:
        found.limit = f"{len(amounts)} lines could take part, {most} can be searched"
    return found


def _possible(items: dict[int, int]) -> dict[int, int]:
    """Without the lines that are too large for all lines of the other sign together."""
    while True:
        plus = sum(a for a in items.values() if a > 0)
        minus = -sum(a for a in items.values() if a < 0)
        left = {n: a for n, a in items.items() if (a <= minus if a > 0 else -a <= plus)}
        if len(left) == len(items):
            return left
        items = left


def _apart(names: Sequence[int], first_target: int, allowed: Allowed | None) -> list[int]:
    """For each line, as a bit mask, the lines of the other side that it may not meet."""
    apart = [0] * len(names)
    if allowed is None:
        return apart
    sources = [n for n, name in enumerate(names) if name < first_target]
    targets = [n for n, name in enumerate(names) if name >= first_target]
    for source, target in product(sources, targets):
        if not allowed(names[source], names[target] - first_target):
            apart[source] |= 1 << target
            apart[target] |= 1 << source
    return apart


def _told(found: Minimal, names: Sequence[int], first_target: int, apart: Sequence[int]) -> Answer:
    sources = sum(1 << n for n, name in enumerate(names) if name < first_target)
    limit = found.limit
    solutions = [mask for mask in found.sets if mask & sources and mask & ~sources]
    if limit is None:
        offset = [mask for mask in found.sets if not (mask & sources and mask & ~sources)]
        pairs = list(islice(_offset(offset, sources, solutions, apart), _MOST_OFFSET + 1))
        if len(pairs) > _MOST_OFFSET:
            limit = f"a search ends at {_MOST_OFFSET:,} ways to cancel out within both sides"
        solutions += [pair for pair in pairs if pair]
    groups = _sharing(solutions)
    clear = [_set(names, group[0], first_target) for group in groups if len(group) == 1]
    several = [mask for group in groups if len(group) > 1 for mask in group]
    shared = 0
    for mask in several:
        shared |= mask
    # What is clear among some of the sets may not be so among all of them.
    return Answer(
        () if limit else tuple(clear), _set(names, shared, first_target), len(several), limit
    )


def _offset(
    sets: Sequence[int], sources: int, solutions: Sequence[int], apart: Sequence[int]
) -> Iterator[int]:
    """For sources that sum to zero beside such targets: both, or 0 where they are no solution.

    Equal sums they are, and irreducible where they hold no other solution.
    """
    for one, other in product(
        [mask for mask in sets if mask & sources], [mask for mask in sets if not mask & sources]
    ):
        both = one | other
        fits = not any(apart[n] & other for n in range(one.bit_length()) if one >> n & 1)
        yield both if fits and not any(part & both == part for part in solutions) else 0


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
    chosen = sorted(name for n, name in enumerate(names) if mask >> n & 1)
    return Set(
        tuple(n for n in chosen if n < first_target),
        tuple(n - first_target for n in chosen if n >= first_target),
    )
