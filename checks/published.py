"""Published tables read back from their files, to be counted again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

import polars as pl

from tieout.register.records import Publication
from tieout.workplace import Workplace

WINDOW = "window"


def scan(
    workplace: Workplace, publications: Iterable[Publication], columns: Mapping[str, pl.DataType]
) -> pl.LazyFrame:
    """Rows of publications as their files have them. Raises TieoutError when a file is damaged."""
    paths = workplace.store.paths(publications)
    if not paths:
        return pl.LazyFrame(schema=dict(columns))
    return pl.scan_parquet(paths)


def scan_windows(
    workplace: Workplace, heads: Mapping[str, Publication], columns: Mapping[str, pl.DataType]
) -> pl.LazyFrame:
    """The same with a column `window`: the partition whose publication the row lies in.

    A file of another shape gives no rows: one bad window must not hide the others, and its rows are
    missed by whoever counts.
    """
    of_file = {
        path: window
        for window, head in heads.items()
        for path in workplace.store.paths([head])
        if not differences(path, columns)
    }
    if not of_file:
        return pl.LazyFrame(schema={**columns, WINDOW: pl.String()})
    partition = pl.col("file_path").replace_strict(of_file, return_dtype=pl.String)
    found = pl.scan_parquet(list(of_file), include_file_paths="file_path")
    return found.with_columns(partition.alias(WINDOW)).drop("file_path")


def differences(path: str, columns: Mapping[str, pl.DataType]) -> list[str]:
    """What differs between the columns of a file and those it should have, in words."""
    found = _schema(path)
    names = [*columns, *(name for name in found if name not in columns)]
    return [
        f"{name}: {found.get(name, 'missing')} instead of {columns.get(name, 'nothing')}"
        for name in names
        if found.get(name) != columns.get(name)
    ]


@lru_cache(maxsize=4096)
def _schema(path: str) -> Mapping[str, pl.DataType]:
    """Columns of a file; it never changes, and several checks ask."""
    return pl.read_parquet_schema(path)
