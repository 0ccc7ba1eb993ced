"""Quarantine rows: what was refused, why, and the row as received."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date

import polars as pl

from tieout.formats.reading import ROW, TornRow
from tieout.formats.refusals import KEYS
from tieout.lines.columns import QUARANTINE
from tieout.lines.models import calendar_range
from tieout.money import NO_CURRENCY


@dataclass
class Held:
    """Rows of one table waiting to be converted; `raw` as received, for the quarantine."""

    extract: int
    raw: pl.DataFrame
    bound: pl.DataFrame
    torn: tuple[TornRow, ...]
    names: dict[str, str]
    """The format's headers -> the file's, where it spells them otherwise."""


def refused_rows(
    refused: pl.DataFrame, held: list[Held], files: pl.DataFrame, calendar_start: date | None
) -> pl.DataFrame:
    """Quarantine rows of a batch, each with its row as received."""
    first, last = calendar_range(calendar_start)
    wanted = {"extract": pl.Int32(), **QUARANTINE}
    if not refused.height:
        return pl.DataFrame(schema=wanted)
    names = {there: file for h in held for there, file in h.names.items()}
    as_received = pl.concat([_as_json(h, refused) for h in held], rechunk=True)
    readable = pl.col("period").is_between(first, last)
    return (
        refused.join(files, on="extract", how="left", maintain_order="left")
        .join(as_received, on=KEYS, how="left", maintain_order="left")
        .with_columns(
            pl.col("source_row").alias("row_number"),
            pl.col("column").replace(names),
            pl.when(readable).then("period").otherwise("received_on").alias("period"),
        )
        .select(pl.col(c).cast(d) for c, d in wanted.items())
    )


def as_dead_letters(quarantine: pl.DataFrame) -> pl.DataFrame:
    """Quarantine rows with the inbox's own words for why an event is no line (`code: why -> remedy`
    in the column problem)."""
    words = pl.col("value").str.extract_groups(r"(?s)^(?<code>\w+): (?<why>.*) -> (?<remedy>.*)$")
    own = (pl.col("column") == "problem") & words.struct.field("code").is_not_null()
    return quarantine.with_columns(
        pl.when(own).then(words.struct.field(told)).otherwise(pl.col(name)).alias(name)
        for name, told in (("reason", "code"), ("message", "why"), ("remedy", "remedy"))
    )


def _as_json(held: Held, refused: pl.DataFrame) -> pl.DataFrame:
    rows = held.raw.with_columns(pl.lit(held.extract, pl.Int32).alias("extract")).join(
        refused, on=KEYS, how="semi"
    )
    cells = [c for c in held.raw.columns if c != ROW]
    return rows.select(*KEYS, pl.struct(cells).struct.json_encode().alias("row"))


def torn_rows(torn: list[tuple[int, TornRow]], files: pl.DataFrame) -> pl.DataFrame:
    """Quarantine rows for rows that could not be cut into cells."""
    wanted = {"extract": pl.Int32(), **QUARANTINE}
    if not torn:
        return pl.DataFrame(schema=wanted)
    read = pl.DataFrame(
        [
            (number, row.row, row.text, row.message, row.remedy, json.dumps({"text": row.text}))
            for number, row in torn
        ],
        schema={
            "extract": pl.Int32(),
            "row_number": pl.Int64(),
            "value": pl.String(),
            "message": pl.String(),
            "remedy": pl.String(),
            "row": pl.String(),
        },
        orient="row",
    )
    return (
        read.join(files, on="extract", how="left", maintain_order="left")
        .with_columns(
            pl.lit(None, pl.String).alias("line_id"),
            pl.lit(None, pl.String).alias("entity"),
            pl.lit(NO_CURRENCY).alias("currency"),
            pl.lit(0).cast(pl.Decimal(38, 12)).alias("amount"),
            pl.col("received_on").alias("period"),
            pl.lit("torn_row").alias("reason"),
            pl.lit(None, pl.String).alias("column"),
        )
        .select(pl.col(c).cast(d) for c, d in wanted.items())
    )
