"""Rates of exchange from a table, for feeds whose lines do not say what they come to."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path
from typing import Final

import polars as pl

from tieout.errors import ConfigurationError
from tieout.money import known_currencies
from tieout.rules import Reconciliation
from tieout.settings import Settings

COLUMNS: Final = ("date", "currency", "to", "rate")
"""Of a rate table: from this day on, one unit of `currency` is `rate` units of `to`."""
RATE = pl.Decimal(20, 12)
_FITTING = r"^\s*\+?\d{1,8}(\.\d{0,12}0*)?\s*$"
"""What RATE holds to the last digit; polars would cut more decimals off without a word."""
_FOR_EVER = date(9999, 12, 31)
_SCHEMA: Final = {
    "feed": pl.String(),
    "currency": pl.String(),
    "functional": pl.String(),
    "first_day": pl.Date(),
    "last_day": pl.Date(),
    "rate": RATE,
}


def rates(settings: Settings, reconciliation: Reconciliation) -> pl.DataFrame:
    """Rates of the feeds of a reconciliation, each for the days it holds.

    Columns feed, currency, functional, first_day, last_day, rate; no two rows of one feed and pair
    of currencies share a day. Raises ConfigurationError for a table that cannot be read.
    """
    found = [pl.DataFrame(schema=_SCHEMA)]
    for feed, path in _tables(settings, reconciliation):
        found.append(_read(path).select(pl.lit(feed).alias("feed"), pl.exclude("feed")))
    return pl.concat(found)


def rates_sha256(settings: Settings, reconciliation: Reconciliation) -> str:
    """Changes with the content of any rate table that a reconciliation uses."""
    told = hashlib.sha256()
    for feed, path in _tables(settings, reconciliation):
        told.update(feed.encode() + b"=" + (path.read_bytes() if path.is_file() else b""))
    return told.hexdigest()


def _tables(settings: Settings, reconciliation: Reconciliation) -> list[tuple[str, Path]]:
    sides = [side for side in (reconciliation.source, reconciliation.target) if side]
    feeds = sorted({feed for side in sides for feed in side.feeds})
    named = [(feed, settings.feeds[feed].rates) for feed in feeds]
    return [(feed, settings.base / settings.rates[table]) for feed, table in named if table]


def _read(path: Path) -> pl.DataFrame:
    try:
        raw = pl.read_csv(path, infer_schema=False)
        missing = [name for name in COLUMNS if name not in raw.columns]
        if missing:
            raise ConfigurationError(
                f"rate table {path} has no column {', '.join(missing)}",
                f"its columns are {', '.join(COLUMNS)}",
            )
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ConfigurationError(
            f"cannot read rate table {path}: {error}",
            f"write a CSV file with the columns {', '.join(COLUMNS)}",
        ) from error
    read = raw.select(
        pl.col("date").str.to_date("%Y-%m-%d", strict=False).alias("first_day"),
        "currency",
        pl.col("to").alias("functional"),
        pl.when(pl.col("rate").str.contains(_FITTING))
        .then(pl.col("rate"))
        .cast(RATE, strict=False)
        .alias("rate"),
    ).with_row_index("row", 2)
    _refuse(path, raw, read)
    return (
        read.sort("currency", "functional", "first_day")
        .with_columns(
            pl.col("first_day")
            .shift(-1)
            .over("currency", "functional")
            .sub(pl.duration(days=1))
            .fill_null(_FOR_EVER)
            .alias("last_day")
        )
        .select("currency", "functional", "first_day", "last_day", "rate")
    )


def _refuse(path: Path, raw: pl.DataFrame, read: pl.DataFrame) -> None:
    """Name the first row that cannot be used. Raises ConfigurationError."""
    codes = list(known_currencies())
    wrong = {
        "date": pl.col("first_day").is_null(),
        "currency": ~pl.col("currency").is_in(codes).fill_null(False),
        "to": ~pl.col("functional").is_in(codes).fill_null(False),
        "rate": ~(pl.col("rate") > 0).fill_null(False),
    }
    for column, problem in wrong.items():
        bad = read.filter(problem)
        if bad.height:
            row = int(bad["row"][0])
            raise ConfigurationError(
                f"{path}, row {row}, column {column}: {raw[column][row - 2]!r} cannot be used",
                "dates are like 2026-10-05, currencies ISO 4217 codes, rates positive with "
                "up to 8 digits before the point and 12 after it",
            )
    twice = read.filter(pl.struct("first_day", "currency", "functional").is_duplicated())
    if twice.height:
        row = int(twice["row"][1])
        raise ConfigurationError(
            f"{path}, row {row}: a second rate for the same day and currencies",
            "keep one of the two rows",
        )
