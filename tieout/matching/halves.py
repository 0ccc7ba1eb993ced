"""Lines that sum to zero, found by the sums of two halves.

Meet in the middle (Horowitz and Sahni 1974): every sum of one half is looked for among those of the
other. It asks nothing of the amounts, but doubles its work with every two lines.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from tieout.matching.reachable import Minimal

MOST_LINES = 36
"""Lines that are searched: two tables of 2^18 sums."""
_MOST_SUMS = 1 << 18
"""Choices that sum to zero that are looked at, parts of each other or not."""
_MOST_COMPARED = 1 << 26
"""Comparisons of such a choice with one that may be a part of it."""


def minimal_sets(amounts: Sequence[int], apart: Sequence[int], most: int) -> Minimal:
    """Find the minimal sets that sum to zero and hold no two lines that must stay apart.

    At most MOST_LINES amounts, with sums below 2^62; bit m of `apart[n]` says that m and n exclude
    each other. Where there are more than `most`, those of the fewest lines are given.
    """
    count, sums = _zero_sums(amounts)
    if count > _MOST_SUMS:
        return Minimal(limit=f"a search ends at {_MOST_SUMS:,} sums that agree")
    found = Minimal()
    compared = 0
    while not sums.is_empty():
        # None of the fewest lines has a part among these, since all that had are gone.
        smallest = sums.filter(pl.col("lines") == pl.col("lines").min())["mask"].sort().to_list()
        found.sets += [mask for mask in smallest if not _holds_apart(mask, apart)]
        compared += sums.height * len(smallest)
        if len(found.sets) > most:
            found.limit = f"a search ends at {most:,} sets of lines"
            return found
        if compared > _MOST_COMPARED:
            found.limit = f"a search ends at {_MOST_COMPARED:,} sums compared"
            return found
        sums = sums.filter(pl.col("lines") > pl.col("lines").min())
        if not sums.is_empty():
            sums = sums.filter(
                ~pl.any_horizontal((pl.col("mask") & mask) == mask for mask in smallest)
            )
    return found


def _holds_apart(mask: int, apart: Sequence[int]) -> bool:
    return any(mask >> n & 1 and apart[n] & mask for n in range(mask.bit_length()))


def _zero_sums(amounts: Sequence[int]) -> tuple[int, pl.DataFrame]:
    """How many non-empty choices sum to zero; and where they can be looked at, each as a mask."""
    half = len(amounts) // 2
    left = _sums(amounts[:half]).rename({"mask": "left"})
    right = _sums([-a for a in amounts[half:]]).rename({"mask": "right"})
    left = left.join(right, on="sum", how="semi")
    right = right.join(left, on="sum", how="semi")
    sizes = [side.group_by("sum").len() for side in (left, right)]
    both = sizes[0].join(sizes[1], on="sum")
    count = sum(a * b for a, b in zip(both["len"], both["len_right"], strict=True)) - 1
    if count > _MOST_SUMS:
        return count, pl.DataFrame()
    mask = pl.col("left").cast(pl.Int64) + pl.col("right").cast(pl.Int64) * (1 << half)
    pairs = left.join(right, on="sum").select(mask.alias("mask")).filter(pl.col("mask") > 0)
    return count, pairs.with_columns(pl.col("mask").bitwise_count_ones().alias("lines"))


def _sums(amounts: Sequence[int]) -> pl.DataFrame:
    """The sum of every choice; bit n of its `mask` stands for amount n."""
    sums = pl.Series("sum", [0], dtype=pl.Int64)
    for amount in amounts:
        sums = pl.concat([sums, sums + amount])
    return pl.DataFrame({"sum": sums}).with_row_index("mask")
