"""Extracts on disk: CSV in slices, and beside each file what its sender states about it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Final

import polars as pl

SLICE_ROWS: Final = 100_000
"""Rows that are text at a time; a wide row takes about a kilobyte."""


def day_file(out: Path, feed: str, day: date) -> Path:
    """Where the extract of a feed for a day lies."""
    return out / feed / f"{feed}_{day:%Y-%m-%d}.csv"


def hour_file(out: Path, feed: str, day: date, hour: int) -> Path:
    """Where the extract of a feed for an hour lies."""
    return out / feed / f"{feed}_{day:%Y-%m-%d}T{hour:02d}.csv"


def decimals(whole: pl.Expr, places: int) -> pl.Expr:
    """Whole units of 10^-places as an exact decimal with that many places."""
    return whole.cast(pl.Decimal(38, 0)) * pl.lit(Decimal(1).scaleb(-places))


def totals(amounts: pl.DataFrame, places: int) -> dict[str, Decimal]:
    """Sum of `amount` (whole units of 10^-places) for each `currency`, in order of the code."""
    sums = amounts.group_by("currency").agg(pl.col("amount").sum()).sort("currency")
    return {code: Decimal(amount).scaleb(-places) for code, amount in sums.iter_rows()}


@dataclass(frozen=True, slots=True)
class Flaws:
    """What is wrong with one delivery, apart from the lines it brings."""

    spoiled: Mapping[str, str] = field(default_factory=dict)
    """Cells of one row more that no reader accepts; its other cells are those of the last row."""
    spoiled_amount: tuple[str, Decimal] | None = None
    """Currency and control amount of that row: its sender counts it."""
    lost: tuple[str, Decimal] | None = None
    """Currency and control amount of a row that the manifest states and the file does not have."""


FLAWLESS: Final = Flaws()


def write_extract(
    path: Path,
    rows: pl.DataFrame,
    columns: Mapping[str, pl.Expr],
    control: Mapping[str, Decimal],
    flaws: Flaws = FLAWLESS,
) -> int:
    """Write an extract with its columns made from the rows, and its manifest; return its rows.

    `control` is the sender's total of each currency.
    """
    parts = range(0, max(rows.height, 1), SLICE_ROWS)
    texts = [rows.slice(at, SLICE_ROWS) for at in parts]
    written = (text.select(**columns) for text in texts)
    more = _spoiled_row(rows.tail(1).select(**columns), flaws)
    write_texts(path, chain(written, [more] if more.height else []))
    write_manifest(path, rows.height + more.height, control, flaws)
    return rows.height + more.height


def _spoiled_row(last: pl.DataFrame, flaws: Flaws) -> pl.DataFrame:
    if not flaws.spoiled:
        return last.clear()
    cells = {name: pl.lit(text) for name, text in flaws.spoiled.items()}
    return last.cast(pl.String).with_columns(**cells)


def write_texts(path: Path, texts: Iterable[pl.DataFrame], *, null: str = "") -> None:
    """Write tables that are one file together; the first has the header."""
    with path.open("wb") as file:
        for number, text in enumerate(texts):
            text.write_csv(file, include_header=number == 0, null_value=null)


def write_manifest(
    extract: Path, rows: int, control: Mapping[str, Decimal], flaws: Flaws = FLAWLESS
) -> None:
    """State beside an extract how many rows it has and what they come to."""
    stated = dict(control)
    for currency, amount in filter(None, (flaws.spoiled_amount, flaws.lost)):
        stated[currency] = stated.get(currency, Decimal(0)) + amount
    known = {
        "rows": rows + (flaws.lost is not None),
        "totals": {code: f"{amount:f}" for code, amount in stated.items()},
    }
    manifest_of(extract).write_text(json.dumps(known) + "\n", encoding="utf-8")


def manifest_of(extract: Path) -> Path:
    """Where the manifest of an extract lies."""
    return extract.with_name(f"{extract.name}.manifest.json")
