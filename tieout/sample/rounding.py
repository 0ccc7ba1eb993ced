"""How usage is rounded on invoices: by one of six rules, each customer by the same one.

Most customers' plans round the sum of a cycle, halves up. Some were taken over with other rules:
halves to even, cut off, or each record rounded by itself, as long as that takes off no more than
half a unit a record; where it would, the sum is rounded. What is rounded by no rule is a break.

Amounts are whole hundredths, `rated` is 1e-10 of the main unit and never negative.
"""

from __future__ import annotations

from functools import reduce
from typing import Final

import polars as pl

from tieout.sample.business import Business
from tieout.sample.company import MARKETS, RATED_PER_HUNDREDTH
from tieout.sample.draws import chosen, draw, half_up, key

RULES: Final = (
    "document_half_up",
    "document_half_even",
    "document_cut",
    "line_half_up",
    "line_half_even",
    "line_cut",
)
_LOTS: Final = 16
"""One of so many customers for each rule but the first, which has the rest."""


def rounded_ways() -> list[pl.Expr]:
    """Aggregates, to be used over the records of a cycle: a column named as each of RULES, and
    `most`, how far off the exact sum any of them may be (1e-10)."""
    unit = _unit()
    whole, one = pl.col("rated").sum(), pl.col("rated")
    of_document = [way(whole, unit.first()) for way in (half_up, _half_even, _cut)]
    of_lines = [way(one, unit).sum() for way in (half_up, _half_even, _cut)]
    smallest = _smallest().first()
    both = zip(RULES, of_document + of_lines, strict=True)
    ways = [(number * smallest).alias(name) for name, number in both]
    return [
        *ways,
        whole.alias("rated"),
        (pl.len().cast(pl.Int64) * unit.first() // 2).alias("most"),
    ]


def by_own_rule(business: Business) -> pl.Expr:
    """The amount by the rule of the customer `sub`, from what `rounded_ways` gives."""
    lot = draw(pl.col("sub"), key(business.seed, "rounding"), _LOTS)
    other = pl.coalesce(
        *(pl.when(lot == number).then(pl.col(name)) for number, name in enumerate(RULES[1:]))
    )
    off = (other * RATED_PER_HUNDREDTH - pl.col("rated")).abs()
    return pl.when(off <= pl.col("most")).then(other).otherwise(pl.col(RULES[0]))


def by_no_rule() -> pl.Expr:
    """The least amount above the rounded sum that no rule gives, from what `rounded_ways` gives."""
    offers = [pl.col(RULES[0]) + number * _smallest() for number in range(1, len(RULES) + 1)]
    return pl.coalesce(*(pl.when(_is_none_of_them(offer)).then(offer) for offer in offers))


def _is_none_of_them(offer: pl.Expr) -> pl.Expr:
    return reduce(lambda a, b: a & b, (offer != pl.col(name) for name in RULES))


def _half_even(number: pl.Expr, unit: pl.Expr) -> pl.Expr:
    below, left = number // unit, number % unit
    up = (left * 2 > unit) | ((left * 2 == unit) & (below % 2 == 1))
    return below + up.cast(pl.Int64)


def _cut(number: pl.Expr, unit: pl.Expr) -> pl.Expr:
    return number // unit


def _unit() -> pl.Expr:
    return _smallest() * RATED_PER_HUNDREDTH


def _smallest() -> pl.Expr:
    return chosen([m.smallest for m in MARKETS], pl.col("market"))
