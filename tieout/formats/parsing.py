"""Cells of text -> typed cells, exactly; what cannot be read is refused with its reason.

Nothing is rounded, guessed or silently emptied: a number must be a plain decimal that fits, a date
a real one, a zone a known one. Column names here are the format's own; in comes a frame of text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from tieout.errors import TieoutError
from tieout.formats.models import Column, Format
from tieout.formats.refusals import KEYS, refuse_cells
from tieout.formats.zones import minutes_ahead, region
from tieout.money import FINE_AMOUNT, known_currencies, minor_units

DTYPES: dict[str, pl.DataType] = {
    "text": pl.String(),
    "decimal": FINE_AMOUNT,
    "integer": pl.Int64(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us"),
}
ISO = {
    "date": ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S%.f"),
    "timestamp": ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d"),
}
"""How dates are written in Parquet read as text, whatever the format's own way of writing them."""

_FITS = r"^[+-]?(?:0*[0-9]{1,18}(?:\.[0-9]{0,12}0*)?|\.[0-9]{1,12}0*)$"
"""18 digits before the point: ten million such amounts can be added without leaving DECIMAL(38,
12).
"""


@dataclass(frozen=True)
class Dialect:
    """How the text of one batch is written: what the format says, after the feed's options."""

    decimal: str = "."
    thousands: str = ""
    nulls: tuple[str, ...] = ()
    zone: str | None = None
    """Zone of timestamps whose rows state none, in place of the format's."""
    formats: Mapping[str, str] = field(default_factory=dict)
    """Column -> how this feed writes its dates, in place of the format's patterns."""
    iso_dates: bool = False


@dataclass
class Typed:
    """Typed rows (KEYS and the format's columns) and the refusals of single cells.

    `cells` has a row an extract and for each required column that is no text: `filled.NAME` values,
    of which `read.NAME` could be read, and `value.NAME`, the first one, in row `row.NAME`.
    """

    rows: pl.DataFrame
    cells: pl.DataFrame
    refusals: list[pl.DataFrame] = field(default_factory=list)


def type_cells(raw: pl.DataFrame, layout: Format, dialect: Dialect) -> Typed:
    """Type every declared column.

    `raw` has KEYS and a text column for each header of the format (NULL where the file lacks it).
    Returns as many rows as came in; a cell that cannot be read is NULL and refused.
    """
    columns = layout.columns
    plain = raw.select(*KEYS, *(_text(c, dialect).alias(n) for n, c in columns.items()))
    typed = plain.select(*KEYS, *(_cell(n, c, plain, dialect).alias(n) for n, c in columns.items()))
    result = Typed(typed, _cells_read(plain, typed, layout))
    for rank, (name, column) in enumerate(columns.items()):
        empty = typed[name].is_null()
        wrong = empty if column.filled else empty & plain[name].is_not_null()
        if wrong.any():
            number = plain_number(pl.col(name), dialect)
            result.refusals += refuse_cells(plain.filter(wrong), name, column, number, rank)
    result.rows = _in_major_units(typed, layout)
    return result


def required_cells(layout: Format) -> list[str]:
    """Columns that a file must have and that are no text."""
    return [n for n, c in layout.columns.items() if c.required and c.type != "text"]


def _cells_read(plain: pl.DataFrame, typed: pl.DataFrame, layout: Format) -> pl.DataFrame:
    names = required_cells(layout)
    read = [typed[name].alias(f"read.{name}") for name in names]
    there = [pl.col(name).is_not_null() for name in names]
    return (
        plain.select("extract", "source_row", *names, *read)
        .group_by("extract")
        .agg(
            *(pl.col(name).count().alias(f"filled.{name}") for name in names),
            *(pl.col(f"read.{name}").count() for name in names),
            *(
                pl.col("source_row").filter(some).first().alias(f"row.{name}")
                for name, some in zip(names, there, strict=True)
            ),
            *(
                pl.col(name).filter(some).first().alias(f"value.{name}")
                for name, some in zip(names, there, strict=True)
            ),
        )
    )


def _text(column: Column, dialect: Dialect) -> pl.Expr:
    """The cell's text without blanks around it; NULL for an empty cell and the words for none."""
    parts = [pl.col(h).str.strip_chars() for h in column.headers]
    text = pl.concat_str(parts, separator=" ", ignore_nulls=True) if len(parts) > 1 else parts[0]
    empty = pl.Series(["", " " * (len(parts) - 1), *dialect.nulls], dtype=pl.String)
    return pl.when(text.is_in(empty.implode()).not_()).then(text)


def _cell(name: str, column: Column, plain: pl.DataFrame, dialect: Dialect) -> pl.Expr:
    text = pl.col(name)
    if column.type == "decimal":
        number = plain_number(text, dialect)
        return pl.when(number.str.contains(_FITS)).then(number).cast(FINE_AMOUNT, strict=False)
    if column.type == "integer":
        whole = text.str.contains(r"^[+-]?[0-9]{1,18}$")
        return pl.when(whole).then(text).cast(pl.Int64, strict=False)
    if column.type in ISO:
        own = (dialect.formats[name],) if name in dialect.formats else column.formats
        formats = ISO[column.type] if dialect.iso_dates else own
        if column.type == "date":
            return pl.coalesce([_day(text, f) for f in formats])
        return _moment(text, column, plain, formats, dialect.zone or column.zone)
    if column.values:
        words = {k.casefold(): v for k, v in column.values.items()}
        known = text.str.to_lowercase().replace_strict(
            pl.Series(list(words)), pl.Series(list(words.values())), default=column.otherwise
        )
        return pl.when(text.is_not_null()).then(known)
    return text


def plain_number(text: pl.Expr, dialect: Dialect) -> pl.Expr:
    """A number without thousands separators and with a decimal point; wrong grouping stays
    wrong.
    """
    if dialect.thousands:
        mark = rf"\{dialect.thousands}" if dialect.thousands == "." else dialect.thousands
        point = r"\." if dialect.decimal == "." else ","
        grouped = text.str.contains(rf"^[+-]?[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+(?:{point}[0-9]*)?$")
        bare = text.str.replace_all(dialect.thousands, "", literal=True)
        text = pl.when(grouped).then(bare).otherwise(text)
    if dialect.decimal == ",":
        # A point that is left now stands where no thousands separator may: make it unreadable.
        text = text.str.replace_all(".", "?", literal=True).str.replace(",", ".", literal=True)
    return text


def _day(text: pl.Expr, form: str) -> pl.Expr:
    """A day; where only a month is written (Oct 2026), its first."""
    if "%d" in form or "%F" in form:
        return text.str.to_date(form, strict=False)
    return (text + " 01").str.to_date(form + " %d", strict=False)


def _moment(
    text: pl.Expr, column: Column, plain: pl.DataFrame, formats: Sequence[str], zone: str
) -> pl.Expr:
    """A timestamp in UTC, from local text and the zone the format or the row states."""
    local = pl.coalesce([text.str.to_datetime(f, time_unit="us", strict=False) for f in formats])
    if column.zone_column is None:
        return _to_utc(local, zone)
    zones = plain[column.zone_column].drop_nulls().unique().to_list()
    known = {z: m for z in zones if (m := minutes_ahead(z)) is not None}
    minutes = pl.col(column.zone_column).replace_strict(
        pl.Series(list(known), dtype=pl.String),
        pl.Series(list(known.values()), dtype=pl.Int64),
        default=None,
        return_dtype=pl.Int64,
    )
    return local - pl.duration(minutes=minutes, time_unit="us")


def _to_utc(local: pl.Expr, zone: str) -> pl.Expr:
    minutes = minutes_ahead(zone)
    if minutes is not None:
        return local - pl.duration(minutes=minutes, time_unit="us") if minutes else local
    if region(zone) is None:
        raise TieoutError(f"unknown time zone {zone!r}", "write UTC, CET, -0800 or Europe/Paris")
    placed = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return placed.dt.convert_time_zone("UTC").dt.replace_time_zone(None)


def _in_major_units(rows: pl.DataFrame, layout: Format) -> pl.DataFrame:
    """Amounts written in minor units (cents), as amounts of the currency."""
    scaled = {n: c.minor_units for n, c in layout.columns.items() if c.minor_units}
    if not scaled:
        return rows
    codes = sorted(known_currencies())
    units = pl.Series([f"0.{'0' * (n - 1)}1" if (n := minor_units(c)) else "1" for c in codes])
    return rows.with_columns(
        (
            pl.col(name)
            * pl.col(currency)
            .str.to_uppercase()
            .replace_strict(pl.Series(codes), units, default=None)
            .cast(pl.Decimal(10, 4))
        )
        .cast(FINE_AMOUNT)
        .alias(name)
        for name, currency in scaled.items()
    )
