"""The ledger: journals of the invoices of a day, and the ERP's extract of a day."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

import polars as pl

from tieout.sample import foreign
from tieout.sample.business import Business, numbered, stamp
from tieout.sample.company import (
    ACCOUNTS,
    CURRENCIES,
    ENTITIES,
    ENTITY_OF_MARKET,
    ISSUERS,
    RECEIVABLE,
    TAX,
)
from tieout.sample.draws import chosen, half_up
from tieout.sample.files import FLAWLESS, Flaws, day_file, decimals, totals, write_extract
from tieout.sample.postings import legs, posting_dates

REVENUE_PART, TAX_PART, RECEIVABLE_PART = range(3)
PARTS: Final = 4
_LAGS: Final = (0,) * 41 + (1,) * 7 + (2,) * 2
_GERMAN: Final = ENTITIES.index("NWDE")


def invoice_number(day: date, invoice: pl.Expr) -> pl.Expr:
    """The number of an invoice: INV-261005-000012."""
    return numbered(f"INV-{stamp(day)}-", invoice, 6)


def item_id(day: date, invoice: pl.Expr, line: pl.Expr) -> pl.Expr:
    """The id of an invoice line: II-261005-000012-1."""
    return numbered(f"II-{stamp(day)}-", invoice, 6) + pl.lit("-") + line.cast(pl.String)


def invoice_postings(business: Business, day: date, lines: pl.DataFrame) -> pl.DataFrame:
    """A journal for each invoice: the receivable, and revenue and tax for each line.

    `row` is the invoice's number in its day; `part` as `part_of` numbers it.
    """
    known = lines.with_columns(
        *posting_dates(business, day, pl.col("invoice"), "invoice posting", _LAGS),
        journal=numbered(f"1{stamp(day)}", pl.col("invoice"), 7),
        kind=pl.lit("Invoice"),
        document=invoice_number(day, pl.col("invoice")),
        entity=chosen(ENTITY_OF_MARKET, pl.col("market")),
        currency=pl.col("market"),
        row=pl.col("invoice"),
        item_id=item_id(day, pl.col("invoice"), pl.col("line")),
        own=pl.lit(True),
    )
    number = pl.col("line")
    revenue = legs(
        known,
        line=number * 2,
        account=pl.col("posted_to"),
        amount=-pl.col("amount"),
        line_ref=pl.col("item_id"),
        part=part_of(number, REVENUE_PART),
    )
    tax = legs(
        known.filter(pl.col("tax") != 0),
        line=number * 2 + 1,
        account=pl.lit(TAX),
        amount=-pl.col("tax"),
        line_ref=pl.col("item_id") + pl.lit(":tax"),
        part=part_of(number, TAX_PART),
    )
    whole = known.group_by("invoice", maintain_order=True).agg(
        pl.col("kind", "journal", "document", "posted_on", "delivered_on").first(),
        pl.col("entity", "currency", "own").first(),
        amount=(pl.col("amount") + pl.col("tax")).sum(),
    )
    receivable = legs(
        whole,
        line=pl.lit(1),
        account=pl.lit(RECEIVABLE),
        category=pl.lit("invoice"),
        part=pl.lit(RECEIVABLE_PART),
        row=pl.col("invoice"),
    )
    return pl.concat([receivable, revenue, tax]).sort("journal", "line")


def part_of(line: pl.Expr, part: int) -> pl.Expr:
    """Number of a line's revenue or tax in its invoice's journal; the receivable has line 0."""
    return line * PARTS + part


def posting_id(journal: pl.Expr, line: pl.Expr) -> pl.Expr:
    """The line id the ledger's format gives a posting."""
    return journal + pl.lit("-") + line.cast(pl.String)


def write_ledger(out: Path, day: date, rows: pl.DataFrame, flaws: Flaws = FLAWLESS) -> int:
    """Write the ERP's extract of a day, legs `in_functional_currency`; return its rows."""
    debits = rows.select(
        currency=chosen(CURRENCIES, pl.col("currency")), amount=pl.col("amount").clip(0)
    )
    return write_extract(day_file(out, "erp", day), rows, _columns(), totals(debits, 2), flaws)


def in_functional_currency(business: Business, postings: pl.DataFrame) -> pl.DataFrame:
    """Adds `rate` (1e-8) and `functional` (hundredths): what a leg is in its entity's books.

    Each leg is rounded; the first leg of a journal takes what rounding leaves.
    """
    one, by = foreign.ONE, ["entity", "currency", "posted_on"]
    rates = foreign.book_rates(business, postings["posted_on"].unique())
    rated = postings.join(rates, on=by, how="left", maintain_order="left").with_columns(
        rate=pl.col("rate") * (100 + pl.col("rate_off").fill_null(0)) // 100
    )
    abroad = pl.col("rate") != one
    plain = rated.with_columns(
        functional=pl.when(abroad)
        .then(half_up(pl.col("amount") * pl.col("rate"), one))
        .otherwise("amount")
    )
    left = (
        plain.filter(abroad)
        .group_by("journal", *by)
        .agg(pl.col("functional").sum().alias("left"), pl.col("line").min())
    )
    return plain.join(
        left, on=["journal", *by, "line"], how="left", maintain_order="left"
    ).with_columns(functional=pl.col("functional") - pl.col("left").fill_null(0))


def _columns() -> dict[str, pl.Expr]:
    """The ERP's columns, from the legs."""
    amount, account = pl.col("amount"), pl.col("account")
    german = pl.col("entity") == _GERMAN
    numbers = [a.number for a in ACCOUNTS] + [a.german_number for a in ACCOUNTS]
    in_chart = account + german.cast(pl.Int64) * len(ACCOUNTS)
    return {
        "Transaction ID": pl.col("journal"),
        "Line ID": pl.col("line"),
        "Accounting Book": pl.lit("Primary"),
        "Transaction Type": pl.col("kind"),
        "Document Number": pl.col("document"),
        "External ID": pl.col("journal"),
        "Date": pl.col("posted_on"),
        "Posting Period": pl.col("posted_on").dt.strftime("%b %Y"),
        "Posting": pl.lit("T"),
        "Status": pl.lit("Posted"),
        "Subsidiary": chosen(ISSUERS, pl.col("entity")),
        "Account Number": chosen(numbers, in_chart),
        "Account Name": chosen([a.name for a in ACCOUNTS], account),
        "Currency": chosen(CURRENCIES, pl.col("currency")),
        "Debit (Foreign)": decimals(pl.when(amount >= 0).then(amount), 2),
        "Credit (Foreign)": decimals(pl.when(amount < 0).then(-amount), 2),
        "Amount (Foreign)": decimals(amount, 2),
        "Exchange Rate": decimals(pl.col("rate"), foreign.RATE_PLACES),
        "Amount": decimals(pl.col("functional"), 2),
        "Memo": pl.col("memo"),
        "Reversal Of": pl.col("reversal_of"),
        "custbody_batch_ref": pl.col("batch_ref"),
        "custcol_line_ref": pl.col("line_ref"),
        "custcol_settlement_category": pl.col("category"),
    }
