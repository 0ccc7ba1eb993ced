"""The size and span of one sample, and how customers and documents are numbered.

A customer has one subscription. Weekly customers (groups 0..6, by the weekday their cycle starts)
pay for metered usage; monthly customers (groups 8..38, by the day of the month) pay for seats. The
company opens its meters and its accounts with providers on the first day of the sample, so no
cycle, payout or posting reaches back before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

import polars as pl

from tieout.sample.company import MARKET_OF_CUSTOMER
from tieout.sample.draws import chosen

CYCLE_DAYS: Final = 7
_GROUPS: Final = 64
_FIRST_MONTHLY: Final = 7


@dataclass(frozen=True, slots=True)
class Business:
    """The arguments a sample is a function of."""

    seed: int
    first: date
    last: date
    invoices_per_day: int

    @property
    def weekly(self) -> int:
        """Customers billed by the week, for each weekday."""
        return (self.invoices_per_day + 1) // 2

    @property
    def monthly(self) -> int:
        """Customers billed by the month, for each day of the month."""
        return self.invoices_per_day - self.weekly

    def days(self) -> list[date]:
        """Every day of the sample."""
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]

    def bills_usage(self, day: date) -> bool:
        """Whether a cycle that lies wholly within the sample is billed on a day."""
        return day - timedelta(days=CYCLE_DAYS) >= self.first


def cycle_group(start: date) -> int:
    """Group of the weekly customers whose cycles start on a day; they are billed that day too."""
    return start.toordinal() % CYCLE_DAYS


def cycle_start(day: date, group: int) -> date:
    """First day of the cycle of a weekly group that holds a day."""
    return day - timedelta(days=(day.toordinal() - group) % CYCLE_DAYS)


def monthly_group(day: date) -> int:
    """Group of the monthly customers billed on a day."""
    return _FIRST_MONTHLY + day.day


def subscription(customer: pl.Expr, group: pl.Expr | int) -> pl.Expr:
    """The number of a subscription (and of its customer), from its place in its group."""
    return customer * _GROUPS + group


def market(customer: pl.Expr, group: pl.Expr | int) -> pl.Expr:
    """Index of the market a customer is in."""
    return chosen(MARKET_OF_CUSTOMER, (customer + group * 7) % len(MARKET_OF_CUSTOMER))


def numbered(prefix: str, number: pl.Expr, width: int) -> pl.Expr:
    """A reference such as INV-261005-000012."""
    return pl.lit(prefix) + number.cast(pl.String).str.zfill(width)


def subscription_ref(number: pl.Expr) -> pl.Expr:
    """Text of a subscription's number."""
    return numbered("SUB-", number, 9)


def customer_ref(number: pl.Expr) -> pl.Expr:
    """Text of a customer's account number."""
    return numbered("C-", number, 9)


def at_time(day: date, hour: int, minute: int) -> datetime:
    """A time of a day in UTC, as a Polars datetime without a zone holds it."""
    return datetime.combine(day, time(hour, minute))


def stamp(day: date) -> str:
    """Six digits of a day, as references carry it: 261005."""
    return f"{day:%y%m%d}"
