"""Parquet, every cell made exact text: a query's answer or a warehouse's export.

Dates and moments (UTC) come out in ISO form. Binary floating point is refused where a format reads
an amount from it: what was lost before it came here cannot be made exact again. Row numbers count
rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from tieout.errors import ExtractError
from tieout.formats.reading import ROW, Batch, Request, Table, unique


def open_parquet(path: Path, name: str, request: Request) -> Table:
    """Open a Parquet file. Raises ExtractError: damaged, too large, an amount that is a float."""
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as problem:
        raise ExtractError(
            f"it is no whole Parquet file: {problem}", "have it sent again", name
        ) from None
    size = sum(
        file.metadata.row_group(n).total_byte_size for n in range(file.metadata.num_row_groups)
    )
    if size > request.limits.extract_mb << 20:
        raise ExtractError(
            "it is larger than limits.extract_mb after unpacking",
            "raise the limit if it is meant to be this large",
            name,
        )
    _refuse_floats(file.schema_arrow, name, request)
    table = Table(name, unique(list(file.schema_arrow.names)), iter(()), iso_dates=True)
    table.batches = _batches(file, table, request)
    return table


def _refuse_floats(schema: pa.Schema, name: str, request: Request) -> None:
    numbers = {
        h.casefold()
        for c in request.layout.columns.values()
        if c.type in ("decimal", "integer")
        for h in (*c.headers, *c.aliases)
    }
    wrong = [
        f.name for f in schema if pa.types.is_floating(f.type) and f.name.casefold() in numbers
    ]
    if wrong:
        raise ExtractError(
            f"{', '.join(wrong)} hold binary floating point numbers, which are not exact",
            "have them written as DECIMAL or as text",
            name,
        )


def _batches(file: pq.ParquetFile, table: Table, request: Request) -> Iterator[Batch]:
    row = 1
    try:
        for piece in file.iter_batches(batch_size=request.limits.batch_rows):
            frame = pl.DataFrame(pl.from_arrow(piece))
            frame.columns = list(table.headers)
            text = frame.select(_as_text(c, d) for c, d in frame.schema.items())
            numbers = pl.int_range(row, row + text.height, dtype=pl.Int64, eager=True)
            yield Batch(text.with_columns(numbers.alias(ROW)))
            row += text.height
    except (pa.ArrowInvalid, OSError, pl.exceptions.PolarsError) as problem:
        raise ExtractError(
            f"the Parquet file is damaged: {problem}", "have it sent again", table.name
        ) from None
    table.last_row = row - 1
    if row == 1 and request.layout.webhook is None:  # a day without events is nothing to note
        table.notes.append("the file has columns and no rows")


def _as_text(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone is not None:
            column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return column.dt.strftime("%Y-%m-%d %H:%M:%S%.6f")
    if isinstance(dtype, pl.Boolean):
        return pl.when(column).then(pl.lit("true")).when(~column).then(pl.lit("false")).alias(name)
    if isinstance(dtype, pl.Binary):
        return column.bin.encode("hex")
    if dtype.is_nested():
        return column.map_elements(str, return_dtype=pl.String)
    return column.cast(pl.String)
