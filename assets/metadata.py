"""What the pages of the Dagster UI show of an asset, from what was published.

Amounts are text: the UI's numbers are floats, and money never is one. Only counts and ratios are
numbers, so that they can be plotted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg
import polars as pl

from tieout.render import markdown
from tieout.settings import Settings
from tieout.workplace import Workplace

Metadata = Mapping[str, Any]
ROW_COUNT, PARTITION_ROW_COUNT = "dagster/row_count", "dagster/partition_row_count"
COLUMN_SCHEMA = "dagster/column_schema"
NOTES, STATUS = "notes", "status"


def column_schema(
    columns: Mapping[str, pl.DataType], about: Mapping[str, str] | None = None
) -> dg.TableSchema:
    """The columns of a published table, with their types as Polars names them."""
    said = about or {}
    return dg.TableSchema(
        [dg.TableColumn(name, str(kind), said.get(name)) for name, kind in columns.items()]
    )


def owner(settings: Settings) -> list[str]:
    """The team that the configuration names as the owner of every asset."""
    return [f"team:{settings.team}"]


def describe_partitions(
    context: dg.AssetExecutionContext, described: Iterable[tuple[str, Metadata]]
) -> None:
    """Give each partition of the run its own metadata; that of other partitions is left out."""
    asked = set(context.partition_keys)
    for key, metadata in described:
        if key in asked:
            context.add_asset_metadata(metadata, partition_key=key)


def rows_in_all(workplace: Workplace, table: str) -> int:
    """Rows of a table over all its partitions, as published."""
    return sum(head.rows for head in workplace.register.heads(table).values())


def figures_table(
    totals: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> dg.MarkdownMetadataValue:
    """Control totals `{currency: {name: {count, amount}}}` as a table, a row for each figure."""
    body = [
        [currency, name.replace("_", " "), f"{figure['count']:,}", str(figure["amount"])]
        for currency, figures in sorted(totals.items())
        for name, figure in figures.items()
    ]
    return dg.MetadataValue.md(markdown.table(["", "", "count", "amount"], body, words=2))
