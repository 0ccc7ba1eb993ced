"""A Stripe account's day: the itemised rows of the payout made on it, and their postings.

Grain: one balance transaction. A payout carries what was paid two days before; its own row is
negative, so the net of a payout's rows is zero.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import polars as pl

from tieout.sample import foreign
from tieout.sample.business import Business, at_time, numbered, stamp
from tieout.sample.company import (
    BANK,
    CLEARING,
    ENTITY_OF_MARKET,
    FEES,
    MARKETS,
    RECEIVABLE,
    STRIPE,
)
from tieout.sample.draws import chosen, draw, key
from tieout.sample.payments import KINDS
from tieout.sample.postings import legs, posting_dates

_PREFIXES: Final = ("ch", "re", "dp", "dp")
_TXN_PREFIXES: Final = ("ch", "re", "dp", "dr")
_REPORTED: Final = ("charge", "refund", "dispute", "dispute_reversal")
_LAGS: Final = (-1,) + (0,) * 38 + (1,) * 9 + (2,) * 2
_JOURNALS: Final = {"stripe_us": 2, "stripe_uk": 3}
_MONTHLY_FEE: Final = 4900
_BRANDS: Final = ("visa", "visa", "mc", "amex")


def payout_id(feed: str, day: date) -> str:
    """The id of the payout of an account on a day."""
    return f"po_{MARKETS[STRIPE[feed]].country}{stamp(day)}"


def payout_rows(business: Business, feed: str, day: date, moved: pl.DataFrame) -> pl.DataFrame:
    """The movements that the payout of a day carries, as rows; on the first of a month a fee too.

    Columns: `origin` (of the payment), `paid_on, created_at, txn, source, category, reported,
    payout, gross, fee, net, again` (a row booked a second time), `shown, shown_in` (what the
    customer saw; NULL on a row that is of no payment).
    """
    origin = pl.col("issued").cast(pl.String) + numbered("", pl.col("invoice"), 6)
    number = pl.col("issued") * 1_000_000 + pl.col("invoice")
    second = draw(number, key(business.seed, feed, day), 86_400)
    rows = (
        moved.with_columns(origin=origin, number=number)
        .select(
            "origin",
            "number",
            "paid_on",
            created_at=pl.col("paid_on").cast(pl.Datetime("us")) + pl.duration(seconds=second),
            txn=pl.lit("txn_") + chosen(_TXN_PREFIXES, pl.col("kind")) + pl.col("origin"),
            source=chosen(_PREFIXES, pl.col("kind")) + pl.lit("_") + pl.col("origin"),
            category=chosen(KINDS, pl.col("kind")),
            reported=chosen(_REPORTED, pl.col("kind")),
            payout=pl.lit(payout_id(feed, day)),
            gross=pl.col("gross"),
            fee=pl.col("fee"),
            net=pl.col("gross") - pl.col("fee"),
            again=pl.lit(False),
        )
        .sort("created_at", "txn")
    )
    rows = foreign.as_shown(business, feed, rows).drop("number")
    if day.day == 1:
        fee = _own_row(rows.schema, feed, day, "fee", -_MONTHLY_FEE)
        rows = pl.concat([rows, fee])
    return rows


def with_payout(rows: pl.DataFrame, feed: str, day: date) -> pl.DataFrame:
    """The rows and the payout that empties them, numbered by `row`; a top-up where refunds and
    disputes are more than the charges: Stripe takes the rest from the bank."""
    left = int(rows["net"].sum())
    paid = _own_row(rows.schema, feed, day, "payout" if left >= 0 else "transfer", -left)
    return pl.concat([rows, paid]).with_columns(row=pl.int_range(pl.len(), dtype=pl.Int64))


def _own_row(schema: pl.Schema, feed: str, day: date, category: str, gross: int) -> pl.DataFrame:
    """A row that is of no payment: the provider's monthly fee, the payout itself."""
    payout = payout_id(feed, day)
    fee = category == "fee"
    values = {
        "paid_on": day,
        "created_at": at_time(day, 0, 30),
        "txn": f"txn_fee_{payout[3:]}" if fee else f"txn_{payout}",
        "source": None if fee else payout,
        "category": category,
        "reported": "topup" if category == "transfer" else category,
        "payout": payout,
        "gross": gross,
        "fee": 0,
        "net": gross,
        "again": False,
    }
    return pl.DataFrame([{name: values.get(name) for name in schema}], schema=schema)


def postings(business: Business, feed: str, day: date, rows: pl.DataFrame) -> pl.DataFrame:
    """A journal for each row: on the clearing account by line, gross and fee apart.

    A journal has one currency: where the gross is booked as the customer saw it, the fee has a
    journal of its own.
    """
    market = STRIPE[feed]
    contra = (
        pl.when(pl.col("category").is_in(["payout", "transfer"]))
        .then(BANK)
        .when(pl.col("category") == "fee")
        .then(FEES)
        .otherwise(RECEIVABLE)
    )
    booked = foreign.as_booked(rows, feed)
    apart = pl.when(pl.col("booked_in") != market).then(pl.lit("F")).otherwise(pl.lit(""))
    fee = booked.filter(pl.col("fee") != 0).with_columns(
        gross=-pl.col("fee"),
        category=pl.lit("fee"),
        part=pl.lit(1),
        contra=FEES,
        currency=market,
        apart=apart,
    )
    gross = booked.with_columns(
        gross="booked", part=pl.lit(0), contra=contra, currency="booked_in", apart=pl.lit("")
    )
    columns = ["row", "origin", "source", "payout", "category", "gross", "part", "contra"]
    columns += ["currency", "apart"]
    both = pl.concat(
        [
            frame.select(columns).with_columns(pl.col("part", "contra", "currency").cast(pl.Int64))
            for frame in (gross, fee)
        ]
    ).with_columns(
        *posting_dates(business, day, pl.col("row"), f"{feed} posting", _LAGS),
        journal=numbered(f"{_JOURNALS[feed]}{stamp(day)}", pl.col("row"), 7) + pl.col("apart"),
        kind=pl.lit("Customer Payment"),
        document=pl.lit("PAY-") + pl.coalesce("origin", "payout"),
        entity=pl.lit(ENTITY_OF_MARKET[market]),
    )
    own = legs(
        both,
        line=pl.col("part") * 2 + 1,
        account=pl.lit(CLEARING),
        amount=pl.col("gross"),
        memo=pl.lit("Stripe ") + pl.col("category"),
        batch_ref=pl.col("payout"),
        line_ref=pl.col("source"),
        category=pl.col("category"),
        own=pl.lit(True),
    )
    other = legs(
        both,
        line=pl.col("part") * 2 + 2,
        account=pl.col("contra"),
        amount=-pl.col("gross"),
        memo=pl.lit("Stripe ") + pl.col("category"),
        own=pl.lit(False),
        category=pl.lit(None),
    )
    return pl.concat([own, other]).sort("row", "line")
