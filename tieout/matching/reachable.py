"""Lines that sum to zero, found by the sums that can be reached.

For every line, in order of size, a bit for each sum that the lines before it can reach (Bellman's
table, one large integer a line). Whoever then looks for lines of a given sum follows only sums that
can be reached, so that without dates to keep apart every step leads to an answer.

The table is bounded by bits and the search by counted steps, never by a clock: the same lines have
the same answer on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

MOST_SUMS = 1 << 28
"""Bits of the table, over all lines: 32 MB, and as much again to look them up."""
MOST_LINES = 200
"""Lines that are looked at, whatever their sums."""
MOST_STEPS = 400_000
"""Lines tried, each as often as there are known sets that it may complete."""
_STEPS_A_LINE = 1_000
"""The same, for one line, when there are too many answers to find all."""
_MOST_PROVEN = 20
"""Lines of a set that is tried for being minimal by its sums: two tables of 2^10."""

_END = -1
"""In the tree of known sets: here one is complete."""

_Tree = dict[int, "_Tree"]


@dataclass(slots=True)
class Minimal:
    """Sets of lines that sum to zero of which no part does, each as a bit mask of positions.

    `limit` says what ended the search early, None where these are all sets there are.
    """

    sets: list[int] = field(default_factory=list)
    limit: str | None = None


def fits(amounts: Sequence[int]) -> bool:
    """Whether the whole table of amounts in order of size is within the bounds."""
    few = len(amounts) <= MOST_LINES
    return few and sum(high - low + 1 for low, high in _spans(amounts)) <= MOST_SUMS


def minimal_sets(amounts: Sequence[int], apart: Sequence[int], most: int) -> Minimal:
    """Find the minimal sets that sum to zero and hold no two lines that must stay apart.

    `amounts`, at most MOST_LINES, have an order of absolute size and none is zero; bit m of
    `apart[n]` says that m and n exclude each other. Where there are more than `most` sets, further
    ones are only looked for until every line that can has one.
    """
    return _Search(amounts, apart, most).run()


def _spans(amounts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """For each line, the lowest and highest sum of those before it that later ones can offset."""
    ups = [0, *accumulate(max(a, 0) for a in amounts)]
    downs = [0, *accumulate(max(-a, 0) for a in amounts)]
    for up, down in zip(ups[:-1], downs[:-1], strict=True):
        yield -min(down, ups[-1] - up), min(up, downs[-1] - down)


class _Search:
    def __init__(self, amounts: Sequence[int], apart: Sequence[int], most: int) -> None:
        self.amounts, self.apart, self.most = amounts, apart, most
        self.spans = list(_spans(amounts))
        self.sums: list[int] = []
        self.tables: list[bytes | None] = []
        self.known: _Tree = {}
        self.found: list[int] = []
        self.sums_left = MOST_SUMS
        self.steps_left = MOST_STEPS

    def run(self) -> Minimal:
        limit = None
        for n, amount in enumerate(self.amounts):
            if limit is not None:
                self._one_that_ends_with(n)
            elif not self._reach():
                limit = f"{len(self.amounts)} lines could take part, {n} can be searched"
            elif self._reaches(n, -amount):
                limit = self._all_that_end_with(n)
        return Minimal(self.found, limit)

    def _all_that_end_with(self, n: int) -> str | None:
        """Every set whose largest line is n; sets without n are known, and are no part of these."""
        before = len(self.found)
        for mask in self._choices(n, -self.amounts[n], 1 << n, self.apart[n], [self.known]):
            self.found.append(mask)
            if len(self.found) > self.most:
                return f"a search ends at {self.most:,} sets of lines"
        if self.steps_left < 0:
            return f"a search ends after {MOST_STEPS:,} steps"
        for mask in self.found[before:]:
            self._know(mask)
        return None

    def _one_that_ends_with(self, n: int) -> None:
        """A set of line n and lines as small as can be: the table grows no further than it must."""
        wanted = -self.amounts[n]
        while not self._reaches(len(self.sums) - 1, wanted):
            if len(self.sums) > n or not self._reach():
                return
        self.steps_left = _STEPS_A_LINE
        level = min(n, len(self.sums) - 1)
        for mask in self._small_choices(level, wanted, 1 << n, self.apart[n]):
            if self._is_minimal(mask ^ 1 << n):
                self.found.append(mask)
                return

    def _choices(
        self, level: int, wanted: int, mask: int, apart: int, begun: list[_Tree]
    ) -> Iterator[int]:
        """The mask with lines before `level` that sum to `wanted`, without any known set in it.

        `begun` are the places in the tree of known sets that lines of the mask lead to.
        """
        for n in range(level - 1, -1, -1):
            self.steps_left -= len(begun)
            if self.steps_left < 0 or not self._reaches(n + 1, wanted):
                return
            rest = wanted - self.amounts[n]
            if apart >> n & 1 or not self._reaches(n, rest):
                continue
            more = [tree[n] for tree in begun if n in tree]
            if any(_END in tree for tree in more):
                continue
            chosen = mask | 1 << n
            if rest:
                yield from self._choices(n, rest, chosen, apart | self.apart[n], begun + more)
            else:
                yield chosen

    def _small_choices(self, level: int, wanted: int, mask: int, apart: int) -> Iterator[int]:
        """The same, of small lines first, which have the fewest sums and seldom a known set."""
        for n in range(level):
            self.steps_left -= 1
            if self.steps_left < 0:
                return
            rest = wanted - self.amounts[n]
            if apart >> n & 1 or not self._reaches(n, rest):
                continue
            if rest:
                yield from self._small_choices(n, rest, mask | 1 << n, apart | self.apart[n])
            else:
                yield mask | 1 << n

    def _reach(self) -> bool:
        """Add to the table the sums that the lines before the next can reach, if they fit."""
        n = len(self.sums)
        low, high = self.spans[n]
        if high - low + 1 > self.sums_left:
            return False
        self.sums_left -= high - low + 1
        if n == 0:
            sums = 1
        else:
            amount, lowest = self.amounts[n - 1], self.spans[n - 1][0]
            sums = self.sums[-1]
            sums |= sums << abs(amount)
            sums >>= low - lowest - min(amount, 0)
            if sums.bit_length() > high - low + 1:
                sums &= (1 << high - low + 1) - 1
        self.sums.append(sums)
        self.tables.append(None)
        return True

    def _reaches(self, n: int, wanted: int) -> bool:
        low, high = self.spans[n]
        if not low <= wanted <= high:
            return False
        table = self.tables[n]
        if table is None:
            # Most lines are asked for one sum only: not worth a copy that can be looked up.
            self.tables[n] = b""
            return bool(self.sums[n] >> wanted - low & 1)
        if not table:
            table = self.tables[n] = self.sums[n].to_bytes((high - low >> 3) + 1, "little")
        return bool(table[wanted - low >> 3] >> (wanted - low & 7) & 1)

    def _know(self, mask: int) -> None:
        tree = self.known
        for n in reversed(_positions(mask)):
            tree = tree.setdefault(n, {})
        tree[_END] = {}

    def _is_minimal(self, mask: int) -> bool:
        """Whether surely no lines of the mask sum to zero, by the sums of its two halves."""
        chosen = [self.amounts[n] for n in _positions(mask)]
        if len(chosen) > _MOST_PROVEN:
            return False
        half = len(chosen) // 2
        one, other = _sums(chosen[:half]), _sums([-a for a in chosen[half:]])
        return 0 not in one and 0 not in other and one.isdisjoint(other)


def _positions(mask: int) -> list[int]:
    return [n for n in range(mask.bit_length()) if mask >> n & 1]


def _sums(amounts: Sequence[int]) -> set[int]:
    """The sums of all choices but the empty one."""
    sums: set[int] = set()
    for amount in amounts:
        sums |= {amount, *(total + amount for total in sums)}
    return sums
