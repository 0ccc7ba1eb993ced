"""Rows with the same id in one window: the same again is a duplicate, something else a conflict."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from tieout.formats.refusals import KEYS
from tieout.lines.columns import QUARANTINE

DUPLICATE_OF = "first_row"
_OWN = frozenset((*KEYS, "extract_sha256", "row_number"))


def settle(
    lines: pl.DataFrame, files: Mapping[int, str]
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """(kept lines, duplicate lines with `first_row`, conflicting rows as QUARANTINE with
    `extract`).

    The first row with an id is kept, rows being in order of extract and row number. A later row
    all of whose lines are the same as the first one's is a duplicate; any other is a conflict.
    `files` gives the extracts' names by number.
    """
    content = sorted(set(lines.columns) - _OWN)
    rows = (
        lines.sort(*KEYS, maintain_order=True)
        .group_by(KEYS, maintain_order=True)
        .agg(
            pl.col("line_id").first().alias("id"),
            pl.struct(content).struct.json_encode().str.join(",").alias("content"),
            pl.col("amount").first().alias("row_amount"),
        )
    )
    firsts = rows.unique("id", keep="first", maintain_order=True).select(
        "id",
        pl.col("extract").alias("first_extract"),
        pl.col("source_row").alias(DUPLICATE_OF),
        pl.col("content").alias("first_content"),
        pl.col("row_amount").alias("first_amount"),
    )
    placed = rows.join(firsts, on="id", how="left", maintain_order="left")
    is_first = (pl.col("extract") == pl.col("first_extract")) & (
        pl.col("source_row") == pl.col(DUPLICATE_OF)
    )
    same = pl.col("content") == pl.col("first_content")
    again = placed.filter(~is_first & same).select(*KEYS, DUPLICATE_OF)
    conflict = placed.filter(~is_first & ~same)
    later = placed.filter(~is_first)
    kept = lines.join(later, on=KEYS, how="anti", maintain_order="left")
    duplicates = lines.join(again, on=KEYS, how="inner", maintain_order="left")
    return kept, duplicates, _conflicts(lines, conflict, files)


def _conflicts(lines: pl.DataFrame, rows: pl.DataFrame, files: Mapping[int, str]) -> pl.DataFrame:
    """Quarantine rows; the amount is that of all lines of the row."""
    schema = {"extract": pl.Int32(), **QUARANTINE}
    if not rows.height:
        return pl.DataFrame(schema=schema)
    read = lines.group_by(KEYS).agg(
        pl.col("feed", "extract_sha256", "received_on", "entity", "currency", "period").first(),
        pl.col("amount").sum().cast(pl.Decimal(38, 12)),
    )
    names = pl.Series([files[n] for n in files])
    numbers = pl.Series(list(files), dtype=pl.Int32)
    first_file = pl.col("first_extract").replace_strict(numbers, names)
    message = pl.format(
        "row {} has the id of row {} of {} and says something else (amount {}, there {})",
        "source_row",
        DUPLICATE_OF,
        first_file,
        "row_amount",
        "first_amount",
    )
    return rows.join(read, on=KEYS, how="left", maintain_order="left").select(
        "extract",
        "feed",
        "extract_sha256",
        pl.col("source_row").alias("row_number"),
        "received_on",
        pl.col("extract").replace_strict(numbers, names).alias("file"),
        pl.col("id").alias("line_id"),
        "entity",
        "currency",
        "amount",
        "period",
        pl.lit("conflicting_duplicate").alias("reason"),
        pl.lit("line_id").alias("column"),
        pl.col("id").alias("value"),
        message.alias("message"),
        pl.lit("ask the sender which of the two is right").alias("remedy"),
        pl.format("[{}]", "content").alias("row"),
    )
