"""Customers abroad: what they see of a payment, and how the books have it.

Stripe shows some payments in another currency than it settles in. In those currencies that the
company keeps its books in too, charges are posted as the customer saw them, at the rate of the
books for the day; that is a little off the rate Stripe settled at. In others, and for what is taken
back, the ledger has the settled amount.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Final

import polars as pl

from tieout.sample.business import Business
from tieout.sample.company import (
    CURRENCIES,
    ENTITIES,
    ENTITY_OF_MARKET,
    JP,
    MARKETS,
    STRIPE,
    YEN_RATE,
)
from tieout.sample.draws import chosen, draw, draw_one, half_up, key

RATE_PLACES: Final = 8
ONE: Final = 10**RATE_PLACES
_SHOWN: Final[dict[str, dict[str, int]]] = {
    "stripe_us": {"EUR": 108_400_000, "GBP": 127_100_000, "CHF": 113_200_000},
    "stripe_uk": {"EUR": 85_300_000, "USD": 78_700_000, "CHF": 89_100_000},
}
"""What Stripe pays out for one unit of a currency, in 1e-8."""
_LOTS: Final = 16
"""One of so many payments in each foreign currency."""
_BOOKS: Final = {
    ("USD", "EUR"): 108_400_000,
    ("USD", "GBP"): 127_100_000,
    ("GBP", "EUR"): 85_300_000,
    ("GBP", "USD"): 78_700_000,
    ("EUR", "USD"): 92_250_000,
    ("EUR", "GBP"): 117_200_000,
}
"""Of an entity's own currency and another: about what a unit of the other is, in 1e-8."""
_MOVES: Final = 6_001
"""The rates of the books move by up to three tenths of a percent to either side, in 1e-6."""
WRONG_PERCENT: Final = 7
"""How far off a wrong rate is."""


def as_shown(business: Business, feed: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `shown` (hundredths) and `shown_in` (a code): what the customer saw of a payment.

    `rows` has `number` (a payment's own), which all movements of a payment share, and `gross`.
    """
    own = MARKETS[STRIPE[feed]].currency
    lot = draw(pl.col("number"), key(business.seed, "shown in"), _LOTS)
    abroad = list(_SHOWN[feed])
    codes = abroad + [own] * (_LOTS - len(abroad))
    return _shown_in(rows.with_columns(shown_in=chosen(codes, lot)), feed)


def shown_abroad(rows: pl.DataFrame, feed: str, txn: str) -> pl.DataFrame:
    """The rows, one payment in a currency that the books have, whatever it was in."""
    hit = pl.col("txn") == txn
    code = next(iter(_SHOWN[feed]))
    return _shown_in(
        rows.with_columns(shown_in=pl.when(hit).then(pl.lit(code)).otherwise("shown_in")), feed
    )


def _shown_in(rows: pl.DataFrame, feed: str) -> pl.DataFrame:
    own = MARKETS[STRIPE[feed]].currency
    rates = {own: ONE, **_SHOWN[feed]}
    rate = pl.col("shown_in").replace_strict(rates, default=None, return_dtype=pl.Int64)
    return rows.with_columns(shown=half_up(pl.col("gross") * ONE, rate))


def booked_abroad(feed: str) -> pl.Expr:
    """Whether the ledger has a row in the currency that the customer saw."""
    own = MARKETS[STRIPE[feed]].currency
    codes = [code for code in _SHOWN[feed] if code in CURRENCIES and code != own]
    return (pl.col("category") == "charge") & pl.col("shown_in").is_in(codes).fill_null(False)


def as_booked(rows: pl.DataFrame, feed: str) -> pl.DataFrame:
    """Adds `booked` (hundredths) and `booked_in` (index of a currency): what the ledger has."""
    abroad = booked_abroad(feed)
    at = {code: number for number, code in enumerate(CURRENCIES)}
    index = pl.col("shown_in").replace_strict(at, default=None, return_dtype=pl.Int64)
    return rows.with_columns(
        booked_in=pl.when(abroad).then(index).otherwise(STRIPE[feed]),
        booked=pl.when(abroad).then("shown").otherwise("gross"),
    )


def book_rate(business: Business, entity: str, currency: str, day: date) -> int:
    """What a unit of a currency is on a day in the own currency of an entity, in 1e-8."""
    own = MARKETS[ENTITY_OF_MARKET.index(ENTITIES.index(entity))].currency
    if currency == own:
        return ONE
    if currency == CURRENCIES[JP]:
        moved = draw_one(day.toordinal(), key(business.seed, "yen"), 12_001) - 6_000
        return YEN_RATE + moved
    moved = draw_one(day.toordinal(), key(business.seed, f"{currency} in {own}"), _MOVES)
    return _BOOKS[own, currency] * (1_000_000 + moved - _MOVES // 2) // 1_000_000


def book_rates(business: Business, days: Iterable[date]) -> pl.DataFrame:
    """The rates of the books: `entity` and `currency` (indexes), `posted_on`, `rate`."""
    rows = [
        (number, index, day, book_rate(business, entity, currency, day))
        for number, entity in enumerate(ENTITIES)
        for index, currency in enumerate(CURRENCIES)
        for day in sorted(days)
        if currency != CURRENCIES[JP] or entity == "NWUS"
    ]
    schema = {"entity": pl.Int64, "currency": pl.Int64, "posted_on": pl.Date, "rate": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")
