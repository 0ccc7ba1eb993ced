"""Breaks put into journals: what an ERP gets wrong, leg by leg, the journal still balanced.

A break is applied to the own legs of one `row` of a day's journals (see `tieout.sample.postings`);
what it leaves out of balance is parked on the suspense account, as somebody closing the day would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import polars as pl

from tieout.sample.company import CURRENCIES, MARKETS, OTHER_COSTS, UNCATEGORISED
from tieout.sample.draws import chosen
from tieout.sample.foreign import WRONG_PERCENT
from tieout.sample.plan import Injection, posted_late
from tieout.sample.postings import balanced

_OFF: Final = {"amount_mismatch": 900, "fee_variance": 3, "tax_variance": 2}
"""Smallest units of the currency by which a posting is off."""
_EUR: Final = CURRENCIES.index("EUR")


@dataclass(frozen=True, slots=True)
class Broken:
    """Journals with a break in them, and the own legs that are part of it."""

    journals: pl.DataFrame
    legs: pl.DataFrame
    """Legs to be labelled on the ledger's side; none where the ledger has no leg at fault."""


def broken(injection: Injection, journals: pl.DataFrame, row: int, part: int | None) -> Broken:
    """Break the own leg of a part of a row, or where part is None everything of the row."""
    where = pl.col("row") == row
    if part is not None:
        where = where & pl.col("own") & (pl.col("part") == part)
    return _CHANGES[injection.break_class](injection, journals, where)


def _dropped(_: Injection, journals: pl.DataFrame, where: pl.Expr) -> Broken:
    return Broken(balanced(journals.filter(~where)), journals.clear())


def _off(injection: Injection, journals: pl.DataFrame, where: pl.Expr) -> Broken:
    smallest = chosen([m.smallest for m in MARKETS], pl.col("currency"))
    by = _OFF[injection.break_class] * smallest
    return _changed(journals, where, amount=pl.col("amount") + by)


def _on_other_account(injection: Injection, journals: pl.DataFrame, where: pl.Expr) -> Broken:
    """On an account that does not belong; what the line is for is still written on it."""
    account = UNCATEGORISED if injection.break_class == "unmapped_account" else OTHER_COSTS
    category = pl.coalesce("category", pl.lit("revenue"))
    done = _changed(journals, where, account=pl.lit(account, pl.Int64), category=category)
    return Broken(done.journals, journals.clear())


def _in_other_entity(_: Injection, journals: pl.DataFrame, where: pl.Expr) -> Broken:
    return _changed(journals, where, entity=1 - pl.col("entity"))


def _in_other_currency(_: Injection, journals: pl.DataFrame, where: pl.Expr) -> Broken:
    return _changed(journals, where, currency=pl.lit(_EUR, pl.Int64))


def _at_wrong_rate(injection: Injection, journals: pl.DataFrame, where: pl.Expr) -> Broken:
    """The whole journal at a rate that is too high, or too low."""
    off = WRONG_PERCENT if injection.nth % 2 else -WRONG_PERCENT
    those = pl.col("journal").is_in(journals.filter(where)["journal"].to_list())
    return _changed(journals, those, rate_off=pl.lit(off, pl.Int64))


def _late(injection: Injection, journals: pl.DataFrame, where: pl.Expr) -> Broken:
    on = pl.lit(posted_late(injection))
    return _changed(journals, where, posted_on=on, delivered_on=on)


def _twice(_: Injection, journals: pl.DataFrame, where: pl.Expr) -> Broken:
    again = journals.filter(where).with_columns(
        pl.col("posted_on", "delivered_on") + timedelta(days=1),
        journal=pl.col("journal") + "D",
    )
    return Broken(balanced(pl.concat([journals, again])), again.filter("own"))


def _of_nothing(_: Injection, journals: pl.DataFrame, where: pl.Expr) -> Broken:
    """A journal for a line that no source has."""
    extra = journals.filter(where).with_columns(
        journal=pl.col("journal") + "X", line_ref=pl.col("line_ref") + "X"
    )
    return Broken(pl.concat([journals, extra]), extra.filter("own"))


def _misquoted(_: Injection, journals: pl.DataFrame, where: pl.Expr) -> Broken:
    """With the reference as somebody types it: no zeros in front, a stroke for a hyphen."""
    return _changed(journals, where, line_ref=pl.col("line_ref").str.replace("-0+", "/"))


def _changed(journals: pl.DataFrame, where: pl.Expr, **columns: pl.Expr) -> Broken:
    changes = {
        name: pl.when(where).then(value).otherwise(pl.col(name)) for name, value in columns.items()
    }
    touched = journals.with_columns(hit=where & pl.col("own"), **changes)
    return Broken(balanced(touched.drop("hit")), touched.filter("hit").drop("hit"))


_Change = Callable[[Injection, pl.DataFrame, pl.Expr], Broken]
_CHANGES: Final[dict[str, _Change]] = {
    "missing_in_target": _dropped,
    "amount_mismatch": _off,
    "fee_variance": _off,
    "tax_variance": _off,
    "account_mismatch": _on_other_account,
    "unmapped_account": _on_other_account,
    "entity_mismatch": _in_other_entity,
    "currency_mismatch": _in_other_currency,
    "fx_difference": _at_wrong_rate,
    "late_arrival": _late,
    "period_mismatch": _late,
    "duplicate_in_target": _twice,
    "missing_in_source": _of_nothing,
    "mangled_reference": _misquoted,
}
