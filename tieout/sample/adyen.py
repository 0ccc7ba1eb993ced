"""An Adyen merchant account's day: the batch closed on it in detail, and its postings.

Grain: one row of the settlement detail report. Net credits less net debits of a batch are zero: the
payout takes what the payments leave. The ledger has one posting for each batch and category.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import polars as pl

from tieout.sample.business import Business, at_time, numbered, stamp
from tieout.sample.company import ADYEN, BANK, CLEARING, ENTITY_OF_MARKET, FEES, RECEIVABLE
from tieout.sample.draws import chosen, draw, key
from tieout.sample.payments import KINDS
from tieout.sample.postings import legs, posting_dates

CATEGORIES: Final = (*KINDS, "fee", "payout")
FEE, PAYOUT = 4, 5
TYPES: Final = ("Settled", "Refunded", "Chargeback", "ChargebackReversed", "Fee", "MerchantPayout")
FEE_COLUMNS: Final = ("commission", "markup", "scheme", "interchange")
_BATCHES_SINCE: Final = date(2020, 1, 1)
_FIRST_BATCH: Final = {"adyen_eur": 300, "adyen_jpy": 70_000}
_DAILY_FEE: Final = {"adyen_eur": 3_810, "adyen_jpy": 500_000}
_MODIFIED: Final = (74, 43, 55, 56)
_LAGS: Final = (0,) * 16 + (1,) * 3 + (2,)
_JOURNALS: Final = {"adyen_eur": 4, "adyen_jpy": 5}


def batch_number(account: str, day: date) -> int:
    """The number of the batch that a merchant account closes on a day."""
    return _FIRST_BATCH[account] + (day - _BATCHES_SINCE).days


def batch_rows(business: Business, account: str, day: date, moved: pl.DataFrame) -> pl.DataFrame:
    """The movements of the batch closed on a day and the day's fee, without the payout.

    Columns: `kind` (index into CATEGORIES and TYPES), `psp, reference, modification, created_at,
    booked_at, gross`, the four fee columns, `fee, net, batch` (signed hundredths).
    """
    origin = pl.col("issued").cast(pl.String) + numbered("", pl.col("invoice"), 8)
    number = pl.col("issued") * 1_000_000 + pl.col("invoice")
    second = draw(number, key(business.seed, account, day), 43_200) + 18_000
    modified = pl.col("kind").replace_strict(dict(enumerate(_MODIFIED)), return_dtype=pl.Int64)
    rows = (
        moved.with_columns(origin=origin)
        .select(
            "kind",
            psp=pl.lit("88") + pl.col("origin"),
            reference=pl.lit("INV-")
            + pl.col("issued").cast(pl.String)
            + numbered("-", pl.col("invoice"), 6),
            modification=modified.cast(pl.String) + pl.col("origin"),
            created_at=pl.col("paid_on").cast(pl.Datetime("us")) + pl.duration(seconds=second),
            booked_at=pl.lit(at_time(day, 22, 50)),
            gross=pl.col("gross"),
            **{name: pl.col(name) for name in FEE_COLUMNS},
            fee=pl.col("fee"),
            net=pl.col("gross") - pl.col("fee"),
            batch=pl.lit(batch_number(account, day), pl.Int64),
        )
        .sort("created_at", "modification")
    )
    before = day - timedelta(days=1)
    text = f"Transaction Fees {before:%B %d %Y}"
    return pl.concat([rows, _own_row(rows.schema, account, day, FEE, text, -_DAILY_FEE[account])])


def with_payout(rows: pl.DataFrame, account: str, day: date, short: int = 0) -> pl.DataFrame:
    """The rows and the payout that empties the batch (but for `short`), numbered by `row`."""
    batch = batch_number(account, day)
    text = f"TX{stamp(day)}{batch}XT batch {batch}"
    paid = _own_row(rows.schema, account, day, PAYOUT, text, short - int(rows["net"].sum()))
    return pl.concat([rows, paid]).with_columns(row=pl.int_range(pl.len(), dtype=pl.Int64))


def _own_row(
    schema: pl.Schema, account: str, day: date, kind: int, text: str, net: int
) -> pl.DataFrame:
    """A row that is of no payment; it has a net amount only."""
    at = at_time(day, 22, 55)
    values = dict.fromkeys(FEE_COLUMNS, 0) | {
        "kind": kind,
        "modification": text,
        "created_at": at,
        "booked_at": at,
        "gross": net,
        "fee": 0,
        "net": net,
        "batch": batch_number(account, day),
    }
    return pl.DataFrame([{name: values.get(name) for name in schema}], schema=schema)


def row_id(merchant_account: str) -> pl.Expr:
    """The id the format gives a row: of a payment its references, else what the row says."""
    kind = chosen(TYPES, pl.col("kind"))
    of_payment = pl.concat_str("psp", kind, "modification", separator=".")
    at = pl.col("created_at").dt.strftime("%Y%m%d%H%M%S")
    about = pl.col("modification").str.replace_all("[^A-Za-z0-9_.:]+", "-")
    named = pl.concat_str(pl.lit(merchant_account), pl.col("batch"), kind, at, about, separator=".")
    return pl.coalesce(of_payment, named.str.slice(0, 120))


def postings(business: Business, account: str, day: date, rows: pl.DataFrame) -> pl.DataFrame:
    """One journal for the batch: for each category a leg on clearing and one against it.

    `row` is the category here; a fee leg has what was kept of the payments and the fee rows.
    """
    market = ADYEN[account]
    kept = rows.select(kind=pl.lit(FEE, pl.Int64), amount=-pl.col("fee"))
    sums = (
        pl.concat([rows.select("kind", amount=pl.col("gross")), kept])
        .group_by("kind")
        .agg(pl.col("amount").sum())
        .filter(pl.col("amount") != 0)
        .sort("kind")
        .with_columns(
            *posting_dates(business, day, pl.col("kind") * 0, f"{account} posting", _LAGS),
            row=pl.col("kind"),
            part=pl.lit(0),
            category=pl.col("kind").replace_strict(dict(enumerate(CATEGORIES))),
            contra=pl.when(pl.col("kind") == PAYOUT)
            .then(BANK)
            .when(pl.col("kind") == FEE)
            .then(FEES)
            .otherwise(RECEIVABLE),
            journal=pl.lit(f"{_JOURNALS[account]}{stamp(day)}0000000"),
            batch=pl.lit(str(batch_number(account, day))),
            document=pl.lit(f"ADY-{batch_number(account, day)}"),
            entity=pl.lit(ENTITY_OF_MARKET[market]),
            currency=pl.lit(market),
            memo=pl.lit(f"Adyen batch {batch_number(account, day)}"),
        )
        .drop("kind")
        .with_columns(kind=pl.lit("Journal"))
    )
    own = legs(
        sums,
        line=pl.col("row") * 2 + 1,
        account=pl.lit(CLEARING),
        batch_ref=pl.col("batch"),
        own=pl.lit(True),
    )
    other = legs(
        sums,
        line=pl.col("row") * 2 + 2,
        account=pl.col("contra"),
        amount=-pl.col("amount"),
        category=pl.lit(None),
        own=pl.lit(False),
    )
    return pl.concat([own, other]).sort("row", "line")
