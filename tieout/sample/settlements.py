"""A day at the providers: their rows, the journals for them, and the breaks between the two."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import polars as pl

from tieout.sample import adyen, foreign, stripe, sums
from tieout.sample.breaks import broken
from tieout.sample.business import Business
from tieout.sample.company import ADYEN, MARKETS, MERCHANT_ACCOUNTS
from tieout.sample.deliveries import label
from tieout.sample.labels import Labels
from tieout.sample.ledger import posting_id
from tieout.sample.payments import CHARGE
from tieout.sample.plan import Injection, Plan
from tieout.sample.postings import corrected
from tieout.sample.prices import adyen_prices, stripe_prices

RECONCILIATION: Final = "settlement_to_ledger"
_GROSS_PART, _FEE_PART = 0, 1
_ONE_PART: Final = {
    "amount_mismatch": _GROSS_PART,
    "account_mismatch": _GROSS_PART,
    "unmapped_account": _GROSS_PART,
    "fx_difference": _GROSS_PART,
    "fee_variance": _FEE_PART,
}
"""Classes that concern one of a row's two lines; the others concern both."""
_OF_LEDGER_ALONE: Final = ("duplicate_in_target", "missing_in_source")
_NET_OFF: Final = 50
"""Hundredths by which the net of a row out of balance is too high."""
_SHORT: Final = 2500
"""Hundredths by which a batch out of balance pays out too little."""


def stripe_day(
    business: Business, plan: Plan, feed: str, day: date, moved: pl.DataFrame, labels: Labels
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of a Stripe account's payout, and their journals."""
    rows = stripe.payout_rows(business, feed, day, moved)
    in_sums = plan.at(f"sums {feed}", day)
    if in_sums is not None:
        return _in_sums(business, feed, day, rows, in_sums, labels)
    injection = plan.at(feed, day)
    charges = rows.filter(pl.col("category") == "charge", ~foreign.booked_abroad(feed))["txn"]
    victim = charges[injection.nth % charges.len()] if injection and charges.len() else None
    if injection and victim and injection.break_class == "fx_difference":
        rows = foreign.shown_abroad(rows, feed, victim)
    if injection and victim and injection.break_class == "duplicate_in_source":
        again = rows.filter(pl.col("txn") == victim).with_columns(
            txn=pl.col("txn") + "D", again=pl.lit(True)
        )
        rows = pl.concat([rows, again])
        labels.add(RECONCILIATION, injection.break_class, "source", stripe_lines(again))
    rows = stripe_prices(plan, feed, day, rows, victim, labels)
    if injection and victim and injection.break_class == "line_out_of_balance":
        return _out_of_balance(business, feed, day, rows, victim, labels)
    rows = stripe.with_payout(rows, feed, day)
    spared = rows.filter(pl.col("txn") == (victim or ""))
    journals = stripe.postings(business, feed, day, rows.filter(~pl.col("again")))
    journals = corrected(business, day, feed, journals, spared["row"].to_list())
    if injection is None or victim is None or injection.break_class == "duplicate_in_source":
        return rows, journals
    part = _ONE_PART.get(injection.break_class)
    done = broken(injection, journals, int(spared["row"].item()), part)
    _label(labels, injection, stripe_lines(spared, part), done.legs)
    return rows, done.journals


def _in_sums(
    business: Business,
    feed: str,
    day: date,
    rows: pl.DataFrame,
    injection: Injection,
    labels: Labels,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A payout of which a few charges are posted in sums, and no break beside that."""
    rows = stripe.with_payout(rows, feed, day)
    chosen = sums.posted_in_sums(business, feed, day, rows, injection)
    together = [txn for one in chosen for txn, *_ in one]
    singly = stripe.postings(business, feed, day, rows.filter(~pl.col("txn").is_in(together)))
    summed = sums.sum_postings(feed, day, chosen)
    sums.label_sums(labels, chosen, summed)
    return rows, pl.concat([corrected(business, day, feed, singly, []), summed])


def _out_of_balance(
    business: Business, feed: str, day: date, rows: pl.DataFrame, victim: str, labels: Labels
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A row whose net is not gross less fee; the payout follows the net, nobody posts the rest."""
    hit = pl.col("txn") == victim
    rows = rows.with_columns(net=pl.col("net") + pl.when(hit).then(_NET_OFF).otherwise(0))
    rows = stripe.with_payout(rows, feed, day)
    spared = rows.filter(hit)["row"].to_list()
    journals = stripe.postings(business, feed, day, rows)
    rest = pl.DataFrame({"line_id": [f"{victim}:out_of_balance"], "amount": [_NET_OFF]})
    labels.add(RECONCILIATION, "missing_in_target", "source", rest)
    label(labels, "line_out_of_balance", feed, day, victim, _NET_OFF)
    return rows, corrected(business, day, feed, journals, spared)


def stripe_lines(rows: pl.DataFrame, part: int | None = None) -> pl.DataFrame:
    """The lines (`line_id, amount`) that rows come apart into: the gross, and the fee if any."""
    gross = rows.select(line_id="txn", amount="gross")
    fee = rows.filter(pl.col("fee") != 0).select(
        line_id=pl.col("txn") + ":fee", amount=-pl.col("fee")
    )
    return pl.concat([gross, fee]) if part is None else (gross, fee)[part]


def adyen_day(
    business: Business, plan: Plan, account: str, day: date, moved: pl.DataFrame, labels: Labels
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of an Adyen merchant account's batch, and its journal.

    No rows where the batch never comes; the next one's number says so.
    """
    injection = plan.at(account, day)
    _label_gap(plan, account, day, labels)
    rows = adyen.batch_rows(business, account, day, moved)
    if not _is_gap(injection):
        rows = adyen_prices(plan, account, day, rows, labels)
    short = 0
    if injection and injection.break_class == "batch_out_of_balance":
        short = _SHORT * MARKETS[ADYEN[account]].smallest
    rows = adyen.with_payout(rows, account, day, short)
    journals = adyen.postings(business, account, day, rows)
    spared = list(range(len(adyen.CATEGORIES))) if injection else []
    journals = corrected(business, day, account, journals, spared)
    if short:
        label(
            labels,
            "batch_out_of_balance",
            "adyen",
            day,
            str(adyen.batch_number(account, day)),
            -short,
        )
    if _is_gap(injection):
        # The ledger has what the provider says, but the batch itself never comes.
        _label_postings(labels, "missing_in_source", journals.filter("own"))
        return rows.clear(), journals
    if injection is None or short:
        return rows, journals
    category = adyen.FEE if injection.break_class == "fee_variance" else CHARGE
    if not (journals["row"] == category).any():
        return rows, journals
    part = 0 if injection.break_class in _ONE_PART else None
    done = broken(injection, journals, category, part)
    _label(labels, injection, adyen_lines(rows, account, category), done.legs)
    return rows, done.journals


def _is_gap(injection: Injection | None) -> bool:
    return injection is not None and injection.break_class == "sequence_gap"


def _label_gap(plan: Plan, account: str, day: date, labels: Labels) -> None:
    """A gap belongs to the batch after it; it begins with the first that never came."""
    first = day
    while _is_gap(plan.at(account, first - timedelta(days=1))):
        first -= timedelta(days=1)
    if first < day and not _is_gap(plan.at(account, day)):
        ref = f"{MERCHANT_ACCOUNTS[account]} {adyen.batch_number(account, first)}"
        label(labels, "sequence_gap", "adyen", day, ref, 0)


def adyen_lines(rows: pl.DataFrame, account: str, category: int) -> pl.DataFrame:
    """The lines (`line_id, amount`) of a category that a batch's rows come apart into."""
    known = rows.with_columns(line_id=adyen.row_id(MERCHANT_ACCOUNTS[account]))
    own = known.filter(pl.col("kind") == category).select("line_id", amount="gross")
    if category != adyen.FEE:
        return own
    kept = known.filter(pl.col("fee") != 0).select(
        line_id=pl.col("line_id") + ":fee", amount=-pl.col("fee")
    )
    return pl.concat([own, kept])


def _label(labels: Labels, injection: Injection, lines: pl.DataFrame, legs: pl.DataFrame) -> None:
    if injection.break_class not in _OF_LEDGER_ALONE:
        labels.add(RECONCILIATION, injection.break_class, "source", lines)
    _label_postings(labels, injection.break_class, legs)


def _label_postings(labels: Labels, break_class: str, legs: pl.DataFrame) -> None:
    postings = legs.select("amount", line_id=posting_id(pl.col("journal"), pl.col("line")))
    labels.add(RECONCILIATION, break_class, "target", postings)
