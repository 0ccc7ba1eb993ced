"""The invoices of a day, line by line.

Grain: one invoice line. `invoice` is the invoice's number in its day, `line` the line's number in
its invoice, `item` one of ITEMS; `amount` and `tax` are hundredths, negative for credits;
`posted_to` is the revenue account the line belongs on.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import polars as pl

from tieout.periods import month_of
from tieout.sample import rounding, usage
from tieout.sample.business import (
    CYCLE_DAYS,
    Business,
    cycle_group,
    market,
    monthly_group,
    subscription,
)
from tieout.sample.company import (
    ANNUAL,
    MARKETS,
    ONBOARDING,
    PAY_AS_YOU_GO,
    PRICE_PER_HUNDREDTH,
    PRODUCTS,
    QUANTITY_PLACES,
    USAGE_REVENUE,
)
from tieout.sample.draws import chosen, draw, half_up, key
from tieout.sample.plan import Plan

ITEMS: Final = ("recurring", "usage", "proration", "credit", "one_time")
RECURRING, USAGE, PRORATION, CREDIT, ONE_TIME = range(len(ITEMS))
_PLANS: Final = (0, 0, 1, 1, 1, 2, 2, ANNUAL)
_BASE_LINE: Final = 1
_FIRST_USAGE_LINE: Final = 2
_OFF: Final = 100
"""Smallest units that a dearer line is off by at least: more than rounding ever is."""
_COLUMNS: Final = (
    "invoice line customer group sub market item product meter quantity price amount tax "
    "service_start service_end posted_to"
).split()
_REVENUE: Final = [p.account for p in PRODUCTS]


def invoice_lines(business: Business, plan: Plan, day: date) -> pl.DataFrame:
    """Every invoice line issued on a day, in order of invoice and line."""
    parts = _monthly_lines(business, day)
    if business.bills_usage(day):
        parts += _weekly_lines(business, plan, day)
    percent = chosen([m.tax_percent for m in MARKETS], pl.col("market"))
    tax = half_up(pl.col("amount") * percent, _smallest() * 100) * _smallest()
    lines = pl.concat([p.with_columns(tax=tax).select(_COLUMNS) for p in parts])
    return lines.sort("invoice", "line").collect()


def _monthly_lines(business: Business, day: date) -> list[pl.LazyFrame]:
    """Seats for the month or year ahead, seats added in the month behind, credits, onboarding."""
    seats = _monthly_customers(business, day)
    annual = pl.col("product") == ANNUAL
    price, lot, days = pl.col("seat_price"), pl.col("lot"), pl.col("part_days")
    month, year = timedelta(days=month_of(day).last.day - 1), timedelta(days=364)
    until = pl.when(annual).then(pl.lit(day + year)).otherwise(pl.lit(day + month))
    ahead = seats.with_columns(
        _span(pl.lit(day), until), line=_n(1), item=_n(RECURRING), amount=pl.col("seats") * price
    )
    of_days = pl.when(annual).then(365).otherwise(30)
    part = half_up(pl.col("more_seats") * price * days, of_days * _smallest()) * _smallest()
    added = seats.filter(lot < 20).with_columns(
        _span(pl.lit(day) - pl.duration(days=days), pl.lit(day - timedelta(days=1))),
        line=_n(2),
        item=_n(PRORATION),
        seats=pl.col("more_seats"),
        amount=part,
    )
    credit = seats.filter(lot.is_between(15, 22)).with_columns(
        _span(pl.lit(day - month), pl.lit(day - timedelta(days=1))),
        line=_n(3),
        item=_n(CREDIT),
        seats=_n(1),
        quantity=_n(-(10**QUANTITY_PLACES) // 2),
        amount=-half_up(price, 2 * _smallest()) * _smallest(),
    )
    onboarding = seats.filter(lot >= 94).with_columns(product=_n(ONBOARDING), seats=_n(1))
    onboarding = onboarding.with_columns(
        _span(pl.lit(day), pl.lit(day)),
        line=_n(4),
        item=_n(ONE_TIME),
        amount=_seat_price(),
        seat_price=_seat_price(),
    )
    return [_seat_lines(p) for p in (ahead, added, credit, onboarding)]


def _monthly_customers(business: Business, day: date) -> pl.LazyFrame:
    """The monthly customers billed on a day, with their plan and what happens to them."""
    customer, group, sub = pl.col("customer"), monthly_group(day), pl.col("sub")
    seed = business.seed
    known = pl.LazyFrame({"customer": pl.int_range(business.monthly, eager=True)}).with_columns(
        invoice=customer + business.weekly,
        group=_n(group),
        sub=subscription(customer, group),
        market=market(customer, group),
        meter=_n(None),
    )
    drawn = known.with_columns(
        product=chosen(_PLANS, draw(sub, key(seed, "plan"), len(_PLANS))),
        seats=draw(sub, key(seed, "seats"), 38) + 2,
        more_seats=draw(sub, key(seed, "more seats", day), 5) + 1,
        part_days=draw(sub, key(seed, "part days", day), 26) + 1,
        lot=draw(sub, key(seed, "extra lines", day), 100),
    )
    return drawn.with_columns(seat_price=_seat_price())


def _weekly_lines(business: Business, plan: Plan, day: date) -> list[pl.LazyFrame]:
    """The platform base for the week ahead, and a line for each meter used in the week behind."""
    customer, group = pl.col("customer"), cycle_group(day)
    base = pl.LazyFrame({"customer": pl.int_range(business.weekly, eager=True)}).with_columns(
        _span(pl.lit(day), pl.lit(day + timedelta(days=CYCLE_DAYS - 1))),
        invoice=customer,
        line=_n(_BASE_LINE),
        item=_n(RECURRING),
        group=_n(group),
        sub=subscription(customer, group),
        market=market(customer, group),
        product=_n(PAY_AS_YOU_GO),
        meter=_n(None),
        seats=_n(1),
    )
    base = base.with_columns(seat_price=_seat_price())
    base = _seat_lines(base.with_columns(amount=pl.col("seat_price")))
    return [base, _usage_lines(business, plan, day)]


def _usage_lines(business: Business, plan: Plan, day: date) -> pl.LazyFrame:
    """Quantity times price over the cycle, rounded by the customer's rule."""
    used = usage.cycle_records(business, plan, day)
    sums = (
        used.lazy()
        .group_by("customer", "group", "sub", "market", "meter", "price")
        .agg(pl.col("quantity").sum(), *rounding.rounded_ways())
    )
    lines = sums.with_columns(
        _span(
            pl.lit(day - timedelta(days=CYCLE_DAYS)),
            pl.lit(day - timedelta(days=1)),
        ),
        invoice=pl.col("customer"),
        line=pl.col("meter") + _FIRST_USAGE_LINE,
        item=_n(USAGE),
        product=_n(None),
        amount=rounding.by_own_rule(business),
        posted_to=_n(USAGE_REVENUE),
    )
    injection = plan.at("usage", day)
    if injection is not None:
        customer, meter = usage.billed_customer(business, injection)
        hit = (pl.col("customer") == customer) & (pl.col("meter") == meter)
        if injection.break_class == "missing_in_target":
            lines = lines.filter(~hit)
        elif injection.break_class == "rating_variance":
            dearer = pl.col("amount") + half_up(pl.col("amount"), 8 * _smallest()) * _smallest()
            wrong = rounding.by_no_rule() if injection.nth % 2 else dearer + _OFF * _smallest()
            lines = lines.with_columns(amount=pl.when(hit).then(wrong).otherwise(pl.col("amount")))
    return lines


def usage_line_number(meter: int) -> int:
    """The number, in its invoice, of the line of a meter."""
    return meter + _FIRST_USAGE_LINE


def _seat_lines(lines: pl.LazyFrame) -> pl.LazyFrame:
    """Seats and seat prices in the units that usage has too."""
    whole = pl.col("seats") * 10**QUANTITY_PLACES
    return lines.with_columns(
        quantity=pl.coalesce(pl.col("quantity"), whole)
        if "quantity" in lines.collect_schema()
        else whole,
        price=pl.col("seat_price") * PRICE_PER_HUNDREDTH,
        posted_to=chosen(_REVENUE, pl.col("product")),
    )


def _seat_price() -> pl.Expr:
    prices = [price for product in PRODUCTS for price in product.prices]
    return chosen(prices, pl.col("product") * len(MARKETS) + pl.col("market"))


def _smallest() -> pl.Expr:
    return chosen([m.smallest for m in MARKETS], pl.col("market"))


def _span(first: pl.Expr, last: pl.Expr) -> list[pl.Expr]:
    return [first.alias("service_start"), last.alias("service_end")]


def _n(value: int | None) -> pl.Expr:
    return pl.lit(value, dtype=pl.Int64)
