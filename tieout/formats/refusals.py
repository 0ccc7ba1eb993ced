"""Why a cell or a row is refused: reason code, message and remedy, in words a person can act on."""

from __future__ import annotations

import polars as pl

from tieout.formats.models import Column
from tieout.formats.zones import minutes_ahead

KEYS = ("extract", "source_row")
"""What names a row: the number of the extract in the batch, and the row's number in the file."""

REFUSALS: dict[str, pl.DataType] = {
    "extract": pl.Int32(),
    "source_row": pl.Int64(),
    "rank": pl.Int32(),
    "reason": pl.String(),
    "column": pl.String(),
    "value": pl.String(),
    "message": pl.String(),
    "remedy": pl.String(),
}
"""Grain: one reason against one row; of several the lowest rank is shown."""

_NUMBER = r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)$"


def none() -> pl.DataFrame:
    """No refusals."""
    return pl.DataFrame(schema=REFUSALS)


def refuse(
    rows: pl.DataFrame,
    rank: int,
    reason: str,
    column: str,
    value: pl.Expr,
    message: pl.Expr,
    remedy: str,
) -> pl.DataFrame:
    """One refusal for each of the rows (a frame with KEYS and what the expressions read)."""
    return rows.select(
        *KEYS,
        rank=pl.lit(rank, pl.Int32),
        reason=pl.lit(reason),
        column=pl.lit(column),
        value=value,
        message=message,
        remedy=pl.lit(remedy),
    )


def refuse_cells(
    cells: pl.DataFrame, name: str, column: Column, number: pl.Expr, rank: int
) -> list[pl.DataFrame]:
    """Refusals for cells of one column that could not be typed.

    `cells` holds KEYS and the columns as text; `number` is the cell as a plain number would be
    written.
    """
    header, text = " ".join(column.headers), pl.col(name)
    empty = cells.filter(text.is_null())
    rest = cells.filter(text.is_not_null())
    found = [
        refuse(
            empty,
            rank,
            "missing_value",
            header,
            text,
            pl.lit(f"{header} is empty"),
            f"every row needs a value in {header}",
        )
    ]
    if column.type == "decimal":
        found += _bad_numbers(rest, rank, header, text, number)
    elif column.type == "integer":
        message = pl.format("{} is not a whole number", text)
        found.append(
            refuse(rest, rank, "not_an_integer", header, text, message, "write it like 42")
        )
    elif column.type in ("date", "timestamp"):
        found += _bad_moments(rest, rank, header, text, column)
    else:
        words = ", ".join(sorted(column.values))
        message = pl.format("{} is not a known " + header, text)
        remedy = f"known are {words}; add the word to the format if the sender uses it"
        found.append(refuse(rest, rank, "unknown_value", header, text, message, remedy))
    return [f for f in found if f.height]


def _bad_numbers(
    cells: pl.DataFrame, rank: int, header: str, text: pl.Expr, number: pl.Expr
) -> list[pl.DataFrame]:
    """Numbers that are none, and numbers that would have to be cut to fit."""
    is_number = number.str.contains(_NUMBER)
    return [
        refuse(
            cells.filter(~is_number),
            rank,
            "not_a_number",
            header,
            text,
            pl.format("{} is not a plain decimal number", text),
            "write it like -1234.50, without exponent, NaN or currency sign",
        ),
        refuse(
            cells.filter(is_number),
            rank,
            "number_does_not_fit",
            header,
            text,
            pl.format("{} has more than 18 digits before or 12 after the point", text),
            "Tieout does not round; ask the sender for the exact amount",
        ),
    ]


def _bad_moments(
    cells: pl.DataFrame, rank: int, header: str, text: pl.Expr, column: Column
) -> list[pl.DataFrame]:
    """Dates that are none, and moments in a zone nobody knows."""
    found = []
    if column.zone_column is not None:
        zone = pl.col(column.zone_column)
        known = [z for z in cells[column.zone_column].drop_nulls().unique() if is_zone(z)]
        lost = zone.is_in(pl.Series(known, dtype=pl.String).implode()).not_() | zone.is_null()
        found.append(
            refuse(
                cells.filter(lost),
                rank,
                "unknown_zone",
                header,
                zone,
                pl.format("{} is in a time zone that is not known", text),
                "write an abbreviation such as CET or an offset such as +0100",
            )
        )
        cells = cells.filter(~lost)
    shapes = " or ".join(column.formats)
    message = pl.format("{} is no date written as " + shapes.replace("{", "{{"), text)
    remedy = "correct it, or state in the format how the sender writes it"
    return [*found, refuse(cells, rank, "not_a_date", header, text, message, remedy)]


def is_zone(zone: str) -> bool:
    """Whether a zone in a cell is one whose distance from UTC is known."""
    return minutes_ahead(zone) is not None
