"""Fees that are not by the price list: charged too high, waived, or charged where none is due.

The ledger books what was charged, so that only the fee schedule finds them.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import polars as pl

from tieout.model import SideName
from tieout.sample import adyen
from tieout.sample.company import ADYEN, MARKETS, MERCHANT_ACCOUNTS
from tieout.sample.labels import Labels
from tieout.sample.payments import CHARGE
from tieout.sample.plan import Plan, priced

RECONCILIATION: Final = "fees_to_schedule"
_MORE: Final = 25
"""Smallest units of the currency by which a fee is too high."""
_UNCALLED: Final = 40
"""Hundredths charged on a refund, which costs nothing."""


def stripe_prices(
    plan: Plan, feed: str, day: date, rows: pl.DataFrame, spared: str | None, labels: Labels
) -> pl.DataFrame:
    """The rows of a payout, one with a fee that the price list does not have; `spared` is not."""
    injection = plan.at(priced(feed), day)
    if injection is None:
        return rows
    kind = injection.break_class
    free = rows.filter(~pl.col("again"), pl.col("txn") != (spared or ""))
    charged = free.filter(pl.col("category") == "charge", pl.col("fee") > 0)
    refunds = free.filter(pl.col("category") == "refund")
    if kind == "missing_in_target" and refunds.height:
        charged = refunds
    elif not charged.height:
        return rows
    txn, was = charged.select("txn", "fee").row(injection.nth % charged.height)
    now = _UNCALLED if not was else 0 if kind == "missing_in_source" else was + _MORE
    _label(labels, f"{txn}:fee", now, txn, was)
    hit = pl.col("txn") == txn
    fee = pl.when(hit).then(now).otherwise("fee")
    return rows.with_columns(fee=fee, net=pl.when(hit).then(pl.col("gross") - now).otherwise("net"))


def adyen_prices(
    plan: Plan, account: str, day: date, rows: pl.DataFrame, labels: Labels
) -> pl.DataFrame:
    """The rows of a batch, one with more commission or markup than the price list says."""
    injection = plan.at(priced(account), day)
    charged = rows.filter(pl.col("kind") == CHARGE, pl.col("commission") + pl.col("markup") > 0)
    if injection is None or not charged.height:
        return rows
    line_id = adyen.row_id(MERCHANT_ACCOUNTS[account])
    psp, row, was = charged.select("psp", line_id.alias("row"), "fee").row(
        injection.nth % charged.height
    )
    more = _MORE * MARKETS[ADYEN[account]].smallest
    _label(labels, f"{row}:fee", was + more, row, was)
    hit = (pl.col("psp") == psp) & (pl.col("kind") == CHARGE)

    def raised(column: str, by: int) -> pl.Expr:
        is_priced = hit & (pl.col(column) > 0) if column in ("commission", "markup") else hit
        return pl.when(is_priced).then(pl.col(column) + by).otherwise(column).alias(column)

    return rows.with_columns(
        raised("commission", more),
        raised("markup", more),
        raised("fee", more),
        raised("net", -more),
    )


def _label(labels: Labels, fee_line: str, now: int, row: str, was: int) -> None:
    """Both sides where both have a fee, else the one that has."""
    both = "fee_variance"
    sides: tuple[tuple[SideName, str, str, int], ...] = (
        ("source", "missing_in_target" if not was else both, fee_line, now),
        ("target", "missing_in_source" if not now else both, row, was),
    )
    for side, break_class, line_id, cost in sides:
        if cost:
            lines = pl.DataFrame({"line_id": [line_id], "amount": [-cost]})
            labels.add(RECONCILIATION, break_class, side, lines)
