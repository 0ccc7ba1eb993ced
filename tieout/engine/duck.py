"""DuckDB as an engine over Parquet: in memory, bounded, confined to the folders it is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa

from tieout.errors import TieoutError
from tieout.settings import Limits

SQL = Path(__file__).resolve().parents[2] / "sql"
"""One statement a file; plain data beside the packages, in a checkout and when installed."""

_BATCH = 100_000


@cache
def statement_text(name: str) -> str:
    """The text of sql/<name>.sql."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


class Engine:
    """One in-memory DuckDB session. Views and temporary tables live as long as it does."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def run(self, name: str, **parameters: object) -> int:
        """Run sql/<name>.sql for its effect; the number of rows it inserted or created."""
        result = self.connection.execute(statement_text(name), parameters or None)
        row = result.fetchone() if result.description else None
        return int(row[0]) if row else 0

    def table(self, name: str, **parameters: object) -> pl.DataFrame:
        """Run sql/<name>.sql and return its rows."""
        return pl.concat(self.batches(name, _BATCH, **parameters))

    def batches(self, name: str, rows: int, **parameters: object) -> Iterator[pl.DataFrame]:
        """Run sql/<name>.sql and give its rows a batch at a time, in order."""
        result = self.connection.sql(statement_text(name), params=parameters or None)
        reader = result.to_arrow_reader(rows)
        assert reader is not None
        yield pl.DataFrame(reader.schema.empty_table())
        for batch in reader:
            yield pl.DataFrame(batch)

    def count(self, table: str) -> int:
        """Number of rows of a table or view."""
        found = self.connection.table(table).count("*").fetchall()
        return int(found[0][0])

    def relation(
        self, paths: Sequence[str], schema: Mapping[str, pl.DataType]
    ) -> duckdb.DuckDBPyRelation:
        """A relation over Parquet files; with no files, an empty one of the given columns."""
        if paths:
            return self.connection.read_parquet(list(paths))
        return self.connection.from_arrow(_arrow(pl.DataFrame(schema=dict(schema))))

    def view(self, name: str, paths: Sequence[str], schema: Mapping[str, pl.DataType]) -> None:
        """The same as a view."""
        self.relation(paths, schema).create_view(name, replace=True)

    def frame(self, name: str, frame: pl.DataFrame) -> None:
        """Make a frame visible to statements under a name."""
        self.connection.register(name, _arrow(frame))


def _arrow(frame: pl.DataFrame) -> pa.Table:
    """Arrow with plain strings, which DuckDB takes without a copy of its own type."""
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())


@contextmanager
def session(folder: Path, limits: Limits) -> Iterator[Engine]:
    """A bounded session that may read and spill below `folder` and nowhere else.

    Raises TieoutError when a statement needs more memory and disk than the limits allow.
    """
    spill = folder / "spill"
    spill.mkdir(parents=True, exist_ok=True)
    config: dict[str, Any] = {
        "memory_limit": f"{limits.memory_mb}MB",
        "threads": limits.threads,
        "temp_directory": str(spill),
        "preserve_insertion_order": False,
    }
    connection = duckdb.connect(config=config)
    # A statement reads the same thousands of small files as the one before it, and the store never
    # changes a file: what is known of each (its columns, where they lie) is read once a session.
    connection.execute("LOAD parquet")
    connection.execute("SET parquet_metadata_cache = true")
    connection.execute("SET allowed_directories = $folders", {"folders": [str(folder)]})
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    try:
        yield Engine(connection)
    except duckdb.OutOfMemoryException as full:
        raise TieoutError(
            f"the engine ran out of its {limits.memory_mb} MB: {full}",
            "raise limits.memory_mb, or free disk for spilling",
        ) from full
    finally:
        connection.close()
