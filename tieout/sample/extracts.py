"""The columns of the extracts of Stripe, Adyen and Zuora, as each sender writes them."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from tieout.sample import adyen
from tieout.sample.business import customer_ref, subscription_ref
from tieout.sample.company import (
    ADYEN,
    CURRENCIES,
    ENTITIES,
    ENTITY_OF_MARKET,
    GATEWAY_ACCOUNTS,
    MARKETS,
    MERCHANT_ACCOUNTS,
    METERS,
    PRICE_PLACES,
    PRODUCTS,
    QUANTITY_PLACES,
    STRIPE,
)
from tieout.sample.draws import chosen
from tieout.sample.files import (
    FLAWLESS,
    Flaws,
    day_file,
    decimals,
    totals,
    write_extract,
)
from tieout.sample.ledger import invoice_number, item_id

_BRANDS: Final = ("visa", "mastercard", "visa", "amex")
_CHARGE_TYPES: Final = ("Recurring", "Usage", "Recurring", "Recurring", "OneTime")
_NAMES: Final = ("", "", " (proration)", " (credit)", "")
_TYPES: Final = adyen.TYPES
_UTC_TO_CET: Final = timedelta(hours=1)
_NO_VALUE: Final = pl.lit(None, pl.String)


def write_stripe(
    out: Path, feed: str, day: date, rows: pl.DataFrame, flaws: Flaws = FLAWLESS
) -> int:
    """Write an account's balance and payout report of a day; return its rows."""
    currency = MARKETS[STRIPE[feed]].currency.lower()
    country = MARKETS[STRIPE[feed]].country
    paid = pl.col("origin").is_not_null()

    def of_payment(value: pl.Expr) -> pl.Expr:
        return pl.when(paid).then(value)

    brand = chosen(_BRANDS, pl.col("row") % len(_BRANDS))
    effective = pl.lit(f"{day:%Y-%m-%d} 00:30:00")
    columns = {
        "balance_transaction_id": pl.col("txn"),
        "created": shown_time(pl.col("created_at")),
        "available_on": effective,
        "currency": pl.lit(currency),
        "gross": decimals(pl.col("gross"), 2),
        "fee": decimals(pl.col("fee"), 2),
        "net": decimals(pl.col("net"), 2),
        "reporting_category": pl.col("reported"),
        "source_id": pl.col("source"),
        "payment_intent_id": of_payment(pl.lit("pi_") + pl.col("origin")),
        "charge_id": of_payment(pl.lit("ch_") + pl.col("origin")),
        "description": pl.col("reported"),
        "customer_facing_amount": of_payment(decimals(pl.col("shown"), 2)),
        "customer_facing_currency": of_payment(pl.col("shown_in").str.to_lowercase()),
        "automatic_payout_id": pl.col("payout"),
        "automatic_payout_effective_at": effective,
        "payment_method_type": of_payment(pl.lit("card")),
        "card_brand": of_payment(brand),
        "card_country": of_payment(pl.lit(country)),
        "card_funding": of_payment(pl.lit("credit")),
        "gateway_account": pl.lit(GATEWAY_ACCOUNTS[feed]),
        "payment_metadata[invoice_number]": of_payment(_invoice_of(pl.col("origin"))),
    }
    control = rows.select(currency=pl.lit(currency.upper()), amount=pl.col("net"))
    path = day_file(out, feed, day)
    return write_extract(path, rows, columns, totals(control, 2), flaws)


def write_adyen(
    out: Path, day: date, batches: dict[str, pl.DataFrame], flaws: Flaws = FLAWLESS
) -> int:
    """Write the settlement detail of a day, the batch of each merchant account; return its rows."""
    rows = pl.concat(
        frame.with_columns(
            account=pl.lit(MERCHANT_ACCOUNTS[account]),
            currency=pl.lit(MARKETS[ADYEN[account]].currency),
        )
        for account, frame in batches.items()
    )
    control = rows.select("currency", amount=pl.col("net"))
    path = day_file(out, "adyen", day)
    return write_extract(path, rows, _adyen_columns(), totals(control, 2), flaws)


def _adyen_columns() -> dict[str, pl.Expr]:
    paid = pl.col("psp").is_not_null()
    card = pl.col("markup") > 0
    method = pl.when(paid).then(pl.when(card).then(pl.lit("visa")).otherwise(pl.lit("sepa")))
    variant = pl.when(card).then(method + pl.lit("standardcredit")).otherwise(method)

    def cost(name: str) -> pl.Expr:
        return decimals(pl.when(paid & (pl.col(name) != 0)).then(pl.col(name)), 2)

    return {
        "Company Account": pl.lit("Northway"),
        "Merchant Account": pl.col("account"),
        "Psp Reference": pl.col("psp"),
        "Merchant Reference": pl.col("reference"),
        "Payment Method": method,
        "Creation Date": shown_time(pl.col("created_at") + _UTC_TO_CET),
        "TimeZone": pl.lit("CET"),
        "Type": chosen(_TYPES, pl.col("kind")),
        "Modification Reference": pl.col("modification"),
        "Gross Currency": pl.when(paid).then("currency"),
        "Gross Debit (GC)": _debit(pl.when(paid).then("gross")),
        "Gross Credit (GC)": _credit(pl.when(paid).then("gross")),
        "Exchange Rate": pl.when(paid).then(1),
        "Net Currency": pl.col("currency"),
        "Net Debit (NC)": _debit(pl.col("net")),
        "Net Credit (NC)": _credit(pl.col("net")),
        "Commission (NC)": cost("commission"),
        "Markup (NC)": cost("markup"),
        "Scheme Fees (NC)": cost("scheme"),
        "Interchange (NC)": cost("interchange"),
        "Payment Method Variant": variant,
        "Batch Number": pl.col("batch"),
        "Reserved4": _NO_VALUE,
        "Reserved5": _NO_VALUE,
        "Reserved6": _NO_VALUE,
        "Reserved7": _NO_VALUE,
        "Reserved8": _NO_VALUE,
        "Reserved9": _NO_VALUE,
        "Reserved10": _NO_VALUE,
        "Modification Merchant Reference": pl.when(paid).then("reference"),
        "Booking Date": shown_time(pl.col("booked_at") + _UTC_TO_CET),
        "Booking Date TimeZone": pl.lit("CET"),
    }


def write_billing(out: Path, day: date, lines: pl.DataFrame, flaws: Flaws = FLAWLESS) -> int:
    """Write the invoice items of a day; return the rows."""
    item = pl.col("item")
    product = pl.coalesce(
        chosen([p.name for p in PRODUCTS], pl.col("product")), pl.lit("Metered usage")
    )
    charge = chosen([p.charge for p in PRODUCTS], pl.col("product")) + chosen(_NAMES, item)
    meter = chosen([m.name for m in METERS], pl.col("meter"))
    unit = chosen([m.unit for m in METERS], pl.col("meter"))
    columns = {
        "Invoice Number": invoice_number(day, pl.col("invoice")),
        "Invoice Item ID": item_id(day, pl.col("invoice"), pl.col("line")),
        "Invoice Date": pl.lit(day),
        "Posted Date": pl.lit(day),
        "Account Number": customer_ref(pl.col("sub")),
        "Account Name": pl.lit("Customer ") + pl.col("sub").cast(pl.String),
        "Subscription Number": subscription_ref(pl.col("sub")),
        "Product Name": product,
        "Charge Name": pl.coalesce(charge, meter),
        "Charge Type": chosen(_CHARGE_TYPES, item),
        "Processing Type": pl.lit("Charge"),
        "UOM": pl.coalesce(unit, pl.lit("Each")),
        "Quantity": decimals(pl.col("quantity"), QUANTITY_PLACES),
        "Unit Price": decimals(pl.col("price"), PRICE_PLACES),
        "Charge Amount": decimals(pl.col("amount"), 2),
        "Tax Amount": decimals(pl.col("tax"), 2),
        "Service Start Date": pl.col("service_start"),
        "Service End Date": pl.col("service_end"),
        "Currency": chosen(CURRENCIES, pl.col("market")),
        "Entity": chosen([ENTITIES[e] for e in ENTITY_OF_MARKET], pl.col("market")),
        "Invoice Status": pl.lit("Posted"),
        "Applied To Item ID": _NO_VALUE,
        "Meter": meter,
    }
    control = lines.select(
        currency=chosen(CURRENCIES, pl.col("market")), amount=pl.col("amount") + pl.col("tax")
    )
    path = day_file(out, "billing", day)
    return write_extract(path, lines, columns, totals(control, 2), flaws)


def shown_time(moment: pl.Expr) -> pl.Expr:
    """A time as all senders here write it."""
    return moment.dt.strftime("%Y-%m-%d %H:%M:%S")


def _debit(amount: pl.Expr) -> pl.Expr:
    return decimals(pl.when(amount < 0).then(-amount), 2)


def _credit(amount: pl.Expr) -> pl.Expr:
    return decimals(pl.when(amount >= 0).then(amount), 2)


def _invoice_of(origin: pl.Expr) -> pl.Expr:
    return pl.lit("INV-") + origin.str.slice(0, 6) + pl.lit("-") + origin.str.slice(6)
