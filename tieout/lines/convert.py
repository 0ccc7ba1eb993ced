"""Rows of text -> canonical lines, refused rows and skipped rows; every row ends in exactly one.

Works on batches of rows that may come from many extracts of one feed: each row carries the number
of its extract. Pure: no register, no store.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from tieout.formats import refusals
from tieout.formats.mapping import Plan, Surroundings
from tieout.formats.models import Format
from tieout.formats.parsing import Dialect, type_cells
from tieout.formats.refusals import KEYS
from tieout.lines.columns import columns
from tieout.lines.models import broken_rules
from tieout.money import NO_CURRENCY, known_currencies

SOURCES = {
    "extract": pl.Int32(),
    "feed": pl.String(),
    "extract_sha256": pl.String(),
    "received_on": pl.Date(),
}
"""What a line gets from its delivery. Grain: one extract."""


@dataclass(frozen=True)
class Converted:
    """What became of a batch of rows.

    `rows`: accepted rows with the format's columns and `row.*`; `lines`: their lines, canonical
    columns after KEYS; `refused`: one line a refused row (refusals.REFUSALS and what could be read
    of it: entity, currency, amount, period, line_id); `skipped`: KEYS and the word they are
    counted under; `control`: rows and control amount of all rows, by extract, entity and currency;
    `cells`: what could be read of the required columns (parsing.Typed).
    """

    rows: pl.DataFrame
    lines: pl.DataFrame
    refused: pl.DataFrame
    skipped: pl.DataFrame
    control: pl.DataFrame
    cells: pl.DataFrame
    control_rows: pl.DataFrame | None = None
    """KEYS, currency and control amount of every row, where a format's sections are summed."""


@dataclass(frozen=True)
class Converter:
    """Turns text rows of one format into lines; made once for a feed, used on every batch."""

    plan: Plan
    around: Surroundings
    dialect: Dialect
    calendar_start: date | None

    @property
    def layout(self) -> Format:
        """The format."""
        return self.plan.layout

    def convert(self, raw: pl.DataFrame, sources: pl.DataFrame) -> Converted:
        """Convert a batch: KEYS and a text column for each header; `sources` as in SOURCES."""
        typed = type_cells(raw, self.layout, self.dialect)
        rows = self.plan.rows(typed.rows, self.around)
        control, by_row = _control(rows), self._control_by_row(rows)
        skipped = rows.filter(pl.col("skipped").is_not_null()).select(*KEYS, "skipped")
        rows = rows.filter(pl.col("skipped").is_null())
        found = [*typed.refusals, *self.plan.refusals(rows, self.around)]
        mapped = self.plan.lines(rows if not found else _without(rows, found), self.around)
        lines = self._with_source(mapped.lines, sources)
        found += mapped.refusals
        found.append(broken_rules(lines, self.layout.kind, self.calendar_start))
        reasons = _first_reasons(found, rows)
        if reasons.height:
            lines = lines.join(reasons, on=KEYS, how="anti", maintain_order="left")
        good = rows.join(reasons, on=KEYS, how="anti", maintain_order="left")
        refused = _refused(reasons, rows)
        return Converted(good, lines, refused, skipped, control, typed.cells, by_row)

    def _control_by_row(self, rows: pl.DataFrame) -> pl.DataFrame | None:
        records = self.layout.reader.records
        if records is None or not any(t.scope == "section" for t in records.trailers):
            return None
        return rows.select(*KEYS, pl.col("row.currency").alias("currency"), "row.control")

    def _with_source(self, lines: pl.DataFrame, sources: pl.DataFrame) -> pl.DataFrame:
        wanted = columns(self.layout.kind)
        return (
            lines.join(sources, on="extract", how="left")
            .with_columns(pl.col("source_row").alias("row_number"))
            .sort(*KEYS, "rule")
            .select(*KEYS, *wanted)
        )


def _control(rows: pl.DataFrame) -> pl.DataFrame:
    """Control amounts of every row that is in the file, whatever becomes of it."""
    return (
        rows.group_by(
            "extract",
            pl.col("row.entity").fill_null(""),
            pl.col("row.currency").fill_null(NO_CURRENCY),
        )
        .agg(pl.len(), pl.col("row.control").sum())
        .sort("extract", "row.entity", "row.currency")
    )


def _without(rows: pl.DataFrame, found: list[pl.DataFrame]) -> pl.DataFrame:
    return rows.join(pl.concat(found), on=KEYS, how="anti", maintain_order="left")


def _first_reasons(found: list[pl.DataFrame], rows: pl.DataFrame) -> pl.DataFrame:
    """One reason a row, the first in the order of the checks; rows that are skipped have none."""
    reasons = pl.concat([pl.DataFrame(schema=refusals.REFUSALS), *found], rechunk=True)
    if not reasons.height:
        return reasons
    first = reasons.sort(*KEYS, "rank", maintain_order=True).unique(KEYS, keep="first")
    return first.join(rows, on=KEYS, how="semi").sort(*KEYS)


def _refused(reasons: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The reasons, with what could be read of each row."""
    currency = pl.col("row.currency")
    known = pl.Series(sorted(known_currencies())).implode()
    read = rows.join(reasons, on=KEYS, how="semi").select(
        *KEYS,
        pl.col("row.line_id").alias("line_id"),
        pl.col("row.entity").alias("entity"),
        pl.when(currency.is_in(known))
        .then(currency)
        .otherwise(pl.lit(NO_CURRENCY))
        .alias("currency"),
        pl.col("row.total").fill_null(0).cast(pl.Decimal(38, 12)).alias("amount"),
        pl.col("row.period").alias("period"),
    )
    return reasons.join(read, on=KEYS, how="left", maintain_order="left")
