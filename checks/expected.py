"""What a fee schedule expects, worked out a second time.

Rule by rule and in whole numbers on Polars, while the engine has one expression for all rules in
decimals on DuckDB, so that the two could disagree.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from tieout.fees import FeeRule
from tieout.lines.columns import columns
from tieout.money import FINE_AMOUNT, LINE_AMOUNT, known_currencies, minor_units

_SCALE = 12
_TOO_LARGE = 10**26
"""A price in units of 10^-12 above which no line amount can be."""


def expected_fees(rows: pl.LazyFrame, rules: Sequence[FeeRule]) -> pl.LazyFrame:
    """Lines that a rule expects a fee of, with that fee as their amount (DECIMAL(38,12))."""
    found = [_expected_by(rule, rows) for rule in rules]
    return pl.concat(found) if found else rows.clear()


def _expected_by(rule: FeeRule, rows: pl.LazyFrame) -> pl.LazyFrame:
    fee = _whole("fee").fill_null(0)
    if rule.takes_everything:
        price = pl.when(pl.col("category") == "fee").then(_whole("amount") * -1).otherwise(fee)
    else:
        price = _price(rule)
    if rule.adds_costs:
        price = price + _whole("fee_passed_through").fill_null(0)
    due = rows.filter(_applies(rule)).with_columns(due=price, fee_now=fee)
    kept = due.filter(
        (pl.col("due") != 0) | (pl.col("fee_now") != 0), pl.col("due").abs() < _TOO_LARGE
    )
    # Every price is a whole number of 10^-4 by now, and a line's amount has four decimals.
    amount = -(pl.col("due") // 10**8).cast(FINE_AMOUNT) * pl.lit("0.0001").cast(FINE_AMOUNT)
    return kept.select(*(c for c in columns("settlement") if c != "amount"), amount=amount)


def _applies(rule: FeeRule) -> pl.Expr:
    chosen = {
        "feed": rule.feeds,
        "category": rule.categories,
        "entity": rule.entities,
        "currency": rule.currencies,
    }
    conditions = [pl.col(column).is_in(list(one_of)) for column, one_of in chosen.items() if one_of]
    if rule.methods:
        conditions.append(pl.col("payment_method").str.to_lowercase().is_in(list(rule.methods)))
    if rule.valid_from is not None:
        conditions.append(pl.col("occurred_on") >= rule.valid_from)
    if rule.valid_to is not None:
        conditions.append(pl.col("occurred_on") <= rule.valid_to)
    return pl.all_horizontal(pl.col("gross").is_not_null(), *conditions).fill_null(value=False)


def _price(rule: FeeRule) -> pl.Expr:
    """The price on the gross in units of 10^-12, a whole number of minor units."""
    cost = _whole("gross") // 10**8 * int(rule.percent.scaleb(6)) + int(rule.fixed.scaleb(_SCALE))
    size = cost.abs()
    if rule.minimum is not None:
        size = pl.max_horizontal(size, pl.lit(int(rule.minimum.scaleb(_SCALE)), pl.Int128()))
    if rule.maximum is not None:
        size = pl.min_horizontal(size, pl.lit(int(rule.maximum.scaleb(_SCALE)), pl.Int128()))
    codes = sorted(known_currencies())
    unit = pl.col("currency").replace_strict(
        codes, [10 ** (_SCALE - minor_units(code)) for code in codes], return_dtype=pl.Int128()
    )
    units, twice = size // unit, size % unit * 2
    if rule.rounding == "half_up":
        units += (twice >= unit).cast(pl.Int128())
    elif rule.rounding == "half_even":
        up = (twice > unit) | ((twice == unit) & (units % 2 == 1))
        units += up.cast(pl.Int128())
    return units * unit * pl.when(cost < 0).then(-1).otherwise(1)


def _whole(column: str) -> pl.Expr:
    """A line amount in units of 10^-12."""
    return pl.col(column).cast(LINE_AMOUNT).to_physical().cast(pl.Int128()) * 10**8
