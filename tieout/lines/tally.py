"""What was counted and summed while an extract was read: the figures its control totals are held
to.

All set work is done once for a batch of many extracts; what is kept an extract is small.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

import polars as pl

from tieout.formats.expressions import compiled
from tieout.formats.models import Format
from tieout.formats.parsing import required_cells
from tieout.formats.refusals import KEYS
from tieout.lines.convert import Converted
from tieout.lines.retyped import Cells
from tieout.model import Figure

NO_BATCH = "no batch"
"""Ref of what was paid out and names no batch."""
MOST_SHOWN = 1_000
"""Single rows that fail a check, shown one by one up to this many an extract."""


@dataclass
class BatchSum:
    """Rows of one settlement batch: what they sum to, and how many of them are payouts."""

    rows: int = 0
    amount: Decimal = Decimal(0)
    payouts: int = 0
    payout: Decimal = Decimal(0)
    lines: list[str] = field(default_factory=list)
    """The first few line ids, to name them."""


@dataclass
class Chain:
    """A running balance: where it began, what it should be now, what the last row states."""

    opening: Decimal
    expected: Decimal
    stated: Decimal
    rows: int = 0


@dataclass(frozen=True)
class Fault:
    """One row that fails a check of its format."""

    check: str
    row: int
    ref: str
    entity: str
    currency: str
    stated: Decimal
    found: Decimal
    explanation: str


@dataclass
class Tally:
    """The figures of one extract.

    `control`: (entity, currency) -> rows and control amount, refused and skipped rows too.
    """

    rows: int = 0
    accepted: int = 0
    refused: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    lines: dict[str, Figure] = field(default_factory=dict)
    """Lines of the accepted rows, by currency."""
    control: dict[tuple[str, str], Figure] = field(default_factory=dict)
    batches: dict[tuple[str, str, str], BatchSum] = field(default_factory=dict)
    chains: dict[str, Chain] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    faults_left_out: int = 0
    numbers: dict[str, dict[int, str]] = field(default_factory=dict)
    """Sequence numbers seen, by account, with the entity."""

    cells: dict[str, Cells] = field(default_factory=dict)
    """What could be read of each required column that is no text."""

    names: dict[str, str] = field(default_factory=dict)
    """The format's headers -> the file's, where it spells them otherwise."""

    control_rows: list[pl.DataFrame] = field(default_factory=list)
    """Row number, currency and control amount of every row, where sections are summed."""

    def add_fault(self, fault: Fault) -> None:
        """Keep a fault, up to a limit; past it they are counted."""
        if len(self.faults) < MOST_SHOWN:
            self.faults.append(fault)
        else:
            self.faults_left_out += 1


def count(tallies: dict[int, Tally], converted: Converted, layout: Format) -> None:
    """Add a converted batch to the tallies of its extracts."""
    for extract, rows in _counts(converted.rows):
        tallies[extract].accepted += rows
    for extract, rows in _counts(converted.refused):
        tallies[extract].refused += rows
    for extract, word, rows in converted.skipped.group_by("extract", "skipped").len().iter_rows():
        tallies[extract].skipped[word] = tallies[extract].skipped.get(word, 0) + rows
    for extract, currency, lines, amount in (
        converted.lines.group_by("extract", "currency")
        .agg(pl.len(), pl.col("amount").sum())
        .iter_rows()
    ):
        seen = tallies[extract].lines
        seen[currency] = seen.get(currency, Figure()) + Figure(lines, amount)
    for extract, entity, currency, rows, amount in converted.control.iter_rows():
        control = tallies[extract].control
        key = (entity, currency)
        control[key] = control.get(key, Figure()) + Figure(rows, amount)
    if converted.control_rows is not None:
        parts = converted.control_rows.partition_by("extract", as_dict=True, include_key=False)
        for (extract,), part in parts.items():
            tallies[int(str(extract))].control_rows.append(part)
    _count_cells(tallies, converted.cells, layout)
    _sum_batches(tallies, converted.rows, layout)
    _follow_balances(tallies, converted.rows, layout)
    _check_rows(tallies, converted.rows, layout)
    _check_feet(tallies, converted.lines)
    _note_numbers(tallies, converted.rows, layout)


def _counts(rows: pl.DataFrame) -> Iterable[tuple[int, int]]:
    return rows.group_by("extract").len().iter_rows()


def _count_cells(tallies: dict[int, Tally], cells: pl.DataFrame, layout: Format) -> None:
    parts = ("filled", "read", "row", "value")
    for found in cells.iter_rows(named=True):
        of_extract = tallies[found["extract"]].cells
        for name in required_cells(layout):
            filled, read, row, value = (found[f"{part}.{name}"] for part in parts)
            of_extract.setdefault(name, Cells()).add(Cells(filled, read, row or 0, value or ""))


def _sum_batches(tallies: dict[int, Tally], rows: pl.DataFrame, layout: Format) -> None:
    rule = layout.controls.batch
    if rule is None:
        return
    payout = compiled(rule.payout).fill_null(False)
    amount = pl.col("row.total").fill_null(0)
    ref = pl.col(rule.ref).cast(pl.String)
    if rule.paid is not None:
        # A row that was paid out and names no payout is in no batch: it must not get lost.
        nowhere = ref.is_null() & compiled(rule.paid).fill_null(False)
        ref = pl.when(nowhere).then(pl.lit(NO_BATCH)).otherwise(ref)
    sums = (
        rows.with_columns(ref.alias(rule.ref))
        .filter(pl.col(rule.ref).is_not_null())
        .group_by("extract", rule.ref, "row.entity", "row.currency")
        .agg(
            pl.len(),
            pl.col("row.line_id").head(3),
            amount.sum(),
            payout.sum().alias("payouts"),
            amount.filter(payout).sum().alias("payout"),
        )
        .sort("extract", rule.ref, "row.entity", "row.currency")
    )
    for extract, ref_, entity, currency, n, ids, total, payouts, paid in sums.iter_rows():
        batch = tallies[extract].batches.setdefault((ref_, entity, currency), BatchSum())
        batch.lines += ids[: 3 - len(batch.lines)]
        batch.rows += n
        batch.amount += total
        batch.payouts += payouts
        batch.payout += paid


def _follow_balances(tallies: dict[int, Tally], rows: pl.DataFrame, layout: Format) -> None:
    rule = layout.controls.running_balance
    if rule is None:
        return
    steps = rows.filter(pl.col(rule.balance).is_not_null()).select(
        "extract",
        "source_row",
        pl.col("row.entity").alias("entity"),
        pl.col(rule.currency).str.to_uppercase().alias("currency"),
        pl.col(rule.balance).alias("stated"),
        pl.col("row.total").alias("amount"),
    )
    before = pl.col("stated").shift(1).over("extract", "currency")
    steps = steps.with_columns(before.alias("before"))
    firsts = steps.filter(pl.col("before").is_null())
    for step in firsts.iter_rows(named=True):
        chains = tallies[step["extract"]].chains
        opening = step["stated"] - step["amount"]
        chain = chains.setdefault(step["currency"], Chain(opening, opening, opening))
        if chain.stated + step["amount"] != step["stated"]:
            _break_in_balance(tallies[step["extract"]], {**step, "before": chain.stated})
    wrong = steps.filter(pl.col("before") + pl.col("amount") != pl.col("stated"))
    for step in wrong.iter_rows(named=True):
        _break_in_balance(tallies[step["extract"]], step)
    last = steps.group_by("extract", "currency", maintain_order=True).agg(
        pl.len(), pl.col("amount").sum(), pl.col("stated").last()
    )
    for extract, currency, n, amount, stated in last.iter_rows():
        chain = tallies[extract].chains[currency]
        chain.rows += n
        chain.expected += amount
        chain.stated = stated


def _break_in_balance(tally: Tally, step: dict[str, object]) -> None:
    before, amount, stated = step["before"], step["amount"], step["stated"]
    assert isinstance(before, Decimal)
    assert isinstance(amount, Decimal)
    assert isinstance(stated, Decimal)
    row, currency = step["source_row"], str(step["currency"])
    assert isinstance(row, int)
    explanation = (
        f"row {row}: the balance before was {_text(before)} {currency} and the row moves "
        f"{_text(amount)}, which gives {_text(before + amount)}; the row states {_text(stated)}"
    )
    tally.add_fault(
        Fault(
            "running_balance",
            row,
            f"row {row}",
            str(step["entity"]),
            currency,
            stated,
            before + amount,
            explanation,
        )
    )


def _text(amount: Decimal) -> str:
    text = f"{amount:f}"
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


def _check_rows(tallies: dict[int, Tally], rows: pl.DataFrame, layout: Format) -> None:
    for check in layout.checks:
        some = rows if check.when is None else rows.filter(compiled(check.when).fill_null(False))
        stated, found = compiled(check.stated), compiled(check.found)
        wrong = some.filter(stated.fill_null(0) != found.fill_null(0)).select(
            "extract",
            "source_row",
            "row.line_id",
            "row.entity",
            "row.currency",
            stated.fill_null(0).alias("stated"),
            found.fill_null(0).alias("found"),
        )
        for extract, row, line_id, entity, currency, one, other in wrong.iter_rows():
            explanation = (
                f"row {row} ({line_id}): {check.stated_as} {_text(one)} {currency}, "
                f"{check.found_as} {_text(other)}; difference {_text(one - other)}"
            )
            tallies[extract].add_fault(
                Fault(check.name, row, line_id, entity, currency, one, other, explanation)
            )


def _check_feet(tallies: dict[int, Tally], lines: pl.DataFrame) -> None:
    """Rows whose lines do not sum to what the row says it foots to."""
    if "category" not in lines.columns:
        return
    left = pl.col("amount").filter(pl.col("category") == "out_of_balance").sum()
    rows = (
        lines.join(lines.filter(pl.col("category") == "out_of_balance"), on=KEYS, how="semi")
        .group_by(KEYS, maintain_order=True)
        .agg(
            pl.col("line_id").first(),
            pl.col("entity").first(),
            pl.col("currency").first(),
            pl.col("amount").sum().alias("stated"),
            (pl.col("amount").sum() - left).alias("found"),
        )
    )
    for extract, row, line_id, entity, currency, stated, found in rows.iter_rows():
        explanation = (
            f"row {row} ({line_id}): gross less fees and taxes is {_text(found)} {currency}, "
            f"the row states net {_text(stated)}; difference {_text(stated - found)}"
        )
        tallies[extract].add_fault(
            Fault("line_balance", row, line_id, entity, currency, stated, found, explanation)
        )


def _note_numbers(tallies: dict[int, Tally], rows: pl.DataFrame, layout: Format) -> None:
    rule = layout.controls.sequence
    if rule is None:
        return
    seen = rows.select("extract", rule.account, rule.number, "row.entity").drop_nulls().unique()
    for extract, account, number, entity in seen.iter_rows():
        tallies[extract].numbers.setdefault(account, {})[number] = entity
