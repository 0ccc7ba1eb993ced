"""The lines that take part in a reconciliation, found anew from the configuration's meaning.

Written in Polars while the engine's scope is SQL on DuckDB, so that the two could disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from operator import and_

import polars as pl

from checks.expected import expected_fees
from checks.locked import as_counted
from checks.published import scan
from tieout.formats.catalogue import format_of
from tieout.lines.columns import UNMAPPED, columns
from tieout.matching.columns import outcomes
from tieout.model import SideName
from tieout.money import FINE_AMOUNT
from tieout.register.records import Publication
from tieout.rules import Side
from tieout.settings import Kind, Settings
from tieout.workplace import Workplace

LINE = ["side", "feed", "line_id", "received_on", "extract_sha256", "row_number"]
"""One delivery of a line. The same file can come for two windows, and within one day for two hours:
then two deliveries have all of these in common, and each has an outcome of its own."""
DAY = pl.col("period").dt.to_string("%Y-%m-%d").alias("day")
SIDES: tuple[SideName, SideName] = ("source", "target")

Versions = Mapping[tuple[str, str], int]
"""Version by (table, partition)."""


def lines_in_scope(workplace: Workplace, name: str, versions: Versions) -> pl.LazyFrame:
    """Lines of both sides as published in given versions; of a chain, its first link's source.
    Those of locked months are of the versions that were signed.

    Grain: one delivery of a line. Columns: period, the LINE columns, entity, currency, amount
    (DECIMAL(38,12), with the side's sign).
    """
    settings = workplace.settings
    reconciliation = settings.reconciliations[name]
    if reconciliation.chain is not None:
        first = lines_in_scope(workplace, reconciliation.chain[0], versions)
        return first.filter(pl.col("side") == "source")
    frames = []
    for side_name in SIDES:
        side = reconciliation.source if side_name == "source" else reconciliation.target
        assert side is not None
        tables = {f"lines/{feed}" for feed in side.feeds}
        used = {place: version for place, version in versions.items() if place[0] in tables}

        def scoped(
            given: Iterable[Publication], side: Side = side, side_name: SideName = side_name
        ) -> pl.LazyFrame:
            return _in_scope(workplace, given, side, side_name)

        now = workplace.register.versions(used)
        frames.append(as_counted(workplace, tables, now, scoped))
    return pl.concat(frames)


def _in_scope(
    workplace: Workplace, given: Iterable[Publication], side: Side, side_name: SideName
) -> pl.LazyFrame:
    settings = workplace.settings
    kind = format_of(settings, side.feeds[0]).kind
    rows = scan(workplace, given, columns(kind))
    if side.expects is not None:
        rows = expected_fees(rows, settings.fees[side.expects])
    amount = (pl.col("amount").cast(FINE_AMOUNT) * side.sign).cast(FINE_AMOUNT)
    side_column = pl.lit(side_name).alias("side")
    inside = rows.filter(_scope(side, kind)).with_columns(side_column, amount=amount)
    return inside.select("period", *LINE, "entity", "currency", "amount")


def published_outcomes(workplace: Workplace, name: str, days: list[str]) -> pl.LazyFrame:
    """Outcomes of days as their files have them."""
    heads = workplace.register.heads(f"outcomes/{name}", days)
    return scan(workplace, heads.values(), outcomes(is_fine(workplace.settings, name)))


def is_fine(settings: Settings, name: str) -> bool:
    """Whether usage takes part, whose amounts have 12 decimals."""
    reconciliation = settings.reconciliations[name]
    if reconciliation.chain is not None:
        return is_fine(settings, reconciliation.chain[0])
    sides = (reconciliation.source, reconciliation.target)
    return any(
        format_of(settings, side.feeds[0]).kind == "usage" for side in sides if side is not None
    )


def _scope(side: Side, kind: Kind) -> pl.Expr:
    conditions = [
        (_component(kind) if column == "component" else pl.col(column)).is_in(list(values))
        for column, values in side.where.items()
    ]
    if kind == "ledger":
        conditions.append(pl.col("account_class") != UNMAPPED)
    return reduce(and_, conditions, pl.lit(value=True)).fill_null(value=False)


def _component(kind: Kind) -> pl.Expr:
    if kind == "invoice":
        tax = pl.col("line_type") == "tax"
        return pl.when(tax).then(pl.lit("tax")).otherwise(pl.lit("revenue"))
    if kind == "ledger":
        plain = pl.col("account_class").replace("deferred_revenue", "revenue")
        return pl.coalesce("category", plain)
    return pl.col({"settlement": "category", "usage": "meter", "event": "type"}[kind])
