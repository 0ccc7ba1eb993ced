"""Exact decimal money. No float enters or leaves; adding two currencies raises.

Currency codes and minor units come from ISO 4217 (the iso4217 library carries the published table).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from functools import cache

import polars as pl
from iso4217 import Currency

from tieout.errors import MixedCurrencyError, TieoutError

LINE_AMOUNT = pl.Decimal(18, 4)
"""Amount of one settlement, invoice or ledger line."""
FINE_AMOUNT = pl.Decimal(38, 12)
"""Usage quantities, unit prices and rated amounts, far below a minor unit."""
SUM_AMOUNT = pl.Decimal(38, 4)
"""Sum of line amounts."""

NO_CURRENCY = "XXX"
"""ISO 4217's own code for "no currency": rows whose currency could not be read."""

_PLAIN = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)")

_EXACT = Context(prec=120, traps=[Inexact, InvalidOperation, Overflow])
"""Python's own context rounds to 28 digits without a word; a sum here may have 38 and more."""


@cache
def minor_units(currency: str) -> int:
    """Number of decimals of a currency's minor unit (JPY 0, USD 2, KWD 3).

    Raises TieoutError for a code ISO 4217 does not know; codes without a minor unit (XAU) count 2.
    """
    try:
        exponent = Currency(currency).exponent
    except ValueError:
        raise TieoutError(
            f"unknown currency {currency!r}", "use an ISO 4217 code such as USD"
        ) from None
    return 2 if exponent is None else exponent


@cache
def known_currencies() -> frozenset[str]:
    """Every ISO 4217 alphabetic code in use."""
    return frozenset(c.code for c in Currency)


def exact(text: str) -> Decimal:
    """Read a plain decimal number; NaN, Infinity and exponents are refused.

    Raises TieoutError.
    """
    if not _PLAIN.fullmatch(text):
        raise TieoutError(f"{text!r} is not a plain decimal number", "write it like -1234.50")
    return Decimal(text)


def added(one: Decimal, other: Decimal) -> Decimal:
    """The exact sum; raises decimal.Inexact rather than drop a digit."""
    return _EXACT.add(one, other)


def subtracted(one: Decimal, other: Decimal) -> Decimal:
    """The exact difference; raises decimal.Inexact rather than drop a digit."""
    return _EXACT.subtract(one, other)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in one currency."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        amount: object = self.amount
        if not (isinstance(amount, Decimal) and amount.is_finite()):
            raise TypeError(f"an amount is a finite Decimal, not {amount!r}")

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(added(self.amount, other.amount), self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(subtracted(self.amount, other.amount), self.currency)

    def __neg__(self) -> Money:
        return Money(self.amount.copy_negate(), self.currency)

    def __str__(self) -> str:
        return f"{text_amount(self.amount, self.currency)} {self.currency}"

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise MixedCurrencyError(
                f"cannot add {self.currency} and {other.currency}",
                "convert one of them first, at a stated rate",
            )


def total(amounts: Iterable[Money], currency: str) -> Money:
    """Sum of amounts of one currency; raises MixedCurrencyError for any other."""
    result = Money(Decimal(0), currency)
    for amount in amounts:
        result = result + amount
    return result


def text_amount(amount: Decimal, currency: str) -> str:
    """The amount with the currency's minor unit, more digits only where they are not zero.

    `1203311.2 USD -> 1,203,311.20`; `0.0000008 USD -> 0.0000008`.
    """
    places = minor_units(currency)
    shown = f"{amount:,f}"
    whole, _, fraction = shown.partition(".")
    fraction = fraction.rstrip("0").ljust(places, "0")
    text = f"{whole}.{fraction}" if fraction else whole
    return text.removeprefix("-") if not amount and text.startswith("-") else text


def plain_amount(amount: Decimal, currency: str) -> str:
    """The same without thousands separators, for JSON and CSV."""
    return text_amount(amount, currency).replace(",", "")
