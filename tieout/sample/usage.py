"""Metered usage: the records of a day, late ones, and what a cycle comes to.

Grain of every frame here: one usage record, with `customer, group, sub, market, meter, number` (its
own number in the day), `used_on, hour, cycle_start, quantity, price, rated` in the units of
`tieout.sample.company`.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import polars as pl

from tieout.sample.business import (
    CYCLE_DAYS,
    Business,
    cycle_group,
    cycle_start,
    market,
    subscription,
)
from tieout.sample.company import MARKETS, METERS
from tieout.sample.draws import chosen, draw, key
from tieout.sample.plan import Injection, Plan

HOURS: Final = 24
_SLOTS: Final = 3
"""Times a day a meter may report, each in its own eight hours."""
_REPORTS_PERCENT: Final = 85
_DAY_OF_NUMBERS: Final = 1 << 34
_USES: Final = {"used_on": pl.Date, "group": pl.Int64, "cycle_start": pl.Date}
_LATE_NUMBER: Final = 9_000_000_000
"""Numbers of late records start here, clear of the numbers of a day's own."""


def day_records(business: Business, plan: Plan, day: date) -> pl.DataFrame:
    """Every record of the usage of a day that is delivered in time."""
    groups = [g for g in range(CYCLE_DAYS) if cycle_start(day, g) >= business.first]
    records = _records(business, plan, [(day, group) for group in groups])
    for group in groups:
        billed_on = cycle_start(day, group) + timedelta(days=CYCLE_DAYS)
        injection = plan.at("usage", billed_on)
        if injection and injection.break_class == "missing_in_source":
            records = records.filter(~_of(business, injection))
    return records.sort("number").collect()


def with_late_records(
    business: Business, plan: Plan, delivered_on: date, records: pl.DataFrame
) -> pl.DataFrame:
    """A day's records, and those of billed cycles that come only now, after the invoice."""
    late = plan.of_class("usage", "late_usage")
    found = [late_record(business, i) for i in late if late_delivery(i) == delivered_on]
    if not found:
        return records
    missing = plan.at("usage_hour", delivered_on)
    hour = pl.col("hour")
    if missing is not None:
        gone = hour == missing_hour(missing)
        moved = pl.when(gone).then((hour + 1) % HOURS).otherwise(hour)
        found = [record.with_columns(moved) for record in found]
    return pl.concat([records, *found])


def late_delivery(injection: Injection) -> date:
    """The day on which the late record of an injection comes."""
    return _late_use(injection) + timedelta(days=8 + injection.nth % 2)


def late_record(business: Business, injection: Injection) -> pl.DataFrame:
    """The record that a late_usage injection adds to a cycle already billed."""
    records = _grid(business, [(_late_use(injection), cycle_group(injection.day))])
    one = records.filter(_of(business, injection)).sort("number").head(1).collect()
    number = _LATE_NUMBER + injection.day.toordinal()
    return one.with_columns(number=pl.lit(number, pl.Int64))


def _late_use(injection: Injection) -> date:
    return injection.day - timedelta(days=1 + injection.nth % CYCLE_DAYS)


def record_id(used_on: pl.Expr, number: pl.Expr) -> pl.Expr:
    """The id of a usage record: the day of use and its number."""
    return used_on.dt.strftime("%y%m%d") + number.cast(pl.String).str.zfill(10)


def cycle_records(business: Business, plan: Plan, billed_on: date) -> pl.DataFrame:
    """The records that an invoice of a day bills: those of the week before, of one group."""
    group = cycle_group(billed_on)
    week = [(billed_on - timedelta(days=n), group) for n in range(CYCLE_DAYS, 0, -1)]
    return _records(business, plan, week).collect()


def billed_customer(business: Business, injection: Injection) -> tuple[int, int]:
    """Customer (within its group) and meter that an injection on a usage line concerns.

    The lower half of the customers; breaks of the ledger take the upper half.
    """
    customer = injection.nth % max(business.weekly // 2, 1)
    return customer, injection.nth // 7 % len(METERS)


def _of(business: Business, injection: Injection) -> pl.Expr:
    customer, meter = billed_customer(business, injection)
    in_group = pl.col("group") == cycle_group(injection.day)
    return (pl.col("customer") == customer) & (pl.col("meter") == meter) & in_group


def _records(business: Business, plan: Plan, uses: list[tuple[date, int]]) -> pl.LazyFrame:
    """The grid without the slots in which a meter did not report, or which nobody delivered."""
    reports = draw(_moment(), key(business.seed, "reports"), 100) < _REPORTS_PERCENT
    records = _grid(business, uses).filter(reports)
    for injection in plan.of_class("usage_hour", "missing_extract"):
        if any(injection.day == day for day, _ in uses):
            of_hour = pl.col("hour") == missing_hour(injection)
            records = records.filter(~((pl.col("used_on") == injection.day) & of_hour))
    return records


def missing_hour(injection: Injection) -> int:
    """The hour of its day that is never delivered: nothing was used in it."""
    return injection.nth % HOURS


def _grid(business: Business, uses: list[tuple[date, int]]) -> pl.LazyFrame:
    """Every customer, meter and slot of the days and groups given."""
    per_group = business.weekly * len(METERS) * _SLOTS
    place = pl.col("place")
    cycles = [(day, group, cycle_start(day, group)) for day, group in uses]
    return (
        pl.LazyFrame(cycles, schema=_USES, orient="row")
        .join(pl.LazyFrame({"place": pl.int_range(per_group, eager=True)}), how="cross")
        .with_columns(
            customer=place // (len(METERS) * _SLOTS),
            meter=place // _SLOTS % len(METERS),
            number=place + pl.col("group") * per_group,
        )
        .with_columns(
            sub=subscription(pl.col("customer"), pl.col("group")),
            market=market(pl.col("customer"), pl.col("group")),
            hour=place % _SLOTS * 8 + draw(_moment(), key(business.seed, "hour"), 8),
            quantity=_quantity(business),
        )
        .with_columns(price=_price())
        .with_columns(rated=pl.col("quantity") * pl.col("price"))
        .drop("place")
    )


def _moment() -> pl.Expr:
    """A record's number among those of all days: what its draws are for."""
    return pl.col("used_on").cast(pl.Int32).cast(pl.Int64) * _DAY_OF_NUMBERS + pl.col("number")


def _quantity(business: Business) -> pl.Expr:
    """Thousandths: mostly small, now and then large; requests are whole."""
    seed = business.seed
    largest = chosen([m.largest for m in METERS], pl.col("meter"))
    share = draw(_moment(), key(seed, "share"), 1000) + 1
    scale = chosen([1, 10, 100, 1000], draw(_moment(), key(seed, "scale"), 4))
    whole = largest * share // (1000 * scale) + 1
    thousandths = draw(_moment(), key(seed, "thousandths"), 1000)
    return whole * 1000 + pl.when(pl.col("meter") == 0).then(0).otherwise(thousandths)


def _price() -> pl.Expr:
    prices = [price for meter in METERS for price in meter.prices]
    return chosen(prices, pl.col("meter") * len(MARKETS) + pl.col("market"))
