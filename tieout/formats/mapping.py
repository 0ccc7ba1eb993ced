"""Typed rows -> canonical lines, by the expressions of a format.

A row gives one line or several (charge, fee, tax); where the format says what a row foots to, a
difference becomes a line of its own (`<id>:out_of_balance`), so that nothing is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from tieout.formats.expressions import compiled, made, reads
from tieout.formats.models import Format, LineRule
from tieout.formats.refusals import KEYS, refuse
from tieout.lines.columns import UNMAPPED, Columns, columns

GIVEN = frozenset(
    "feed line_id row_ref extract_sha256 row_number received_on account_class".split()
)
"""Canonical columns that no format maps: they come from the delivery and the configuration."""

_ROW = "row."
"""Prefix of the canonical values all lines of a row share, beside the format's own columns."""
_MAPPING_RANK = 500


@dataclass(frozen=True)
class Surroundings:
    """What the configuration knows and the extract does not.

    `entities`: every outside name -> entity code (None: take what the extract says, for a first
    look without a configuration). `accounts`: (entity or *, account) -> account class.
    """

    entities: Mapping[str, str] | None = None
    entity: str | None = None
    accounts: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass
class Mapped:
    """`rows`: KEYS, the format's columns and `row.*`; `lines`: KEYS, `rule` and canonical
    columns.
    """

    rows: pl.DataFrame
    lines: pl.DataFrame
    refusals: list[pl.DataFrame]


class Plan:
    """A format's expressions, compiled once and used on every batch."""

    def __init__(self, layout: Format) -> None:
        self.layout = layout
        self.canonical: Columns = {c: d for c, d in columns(layout.kind).items() if c not in GIVEN}

    def rows(self, typed: pl.DataFrame, around: Surroundings) -> pl.DataFrame:
        """The typed rows with derived columns, shared canonical values (`row.*`) and `skipped`."""
        frame = typed
        for name, expression in self.layout.derive.items():
            frame = _with_own(frame, expression).with_columns(compiled(expression).alias(name))
        for expression in (self.layout.line_id, *self.layout.row.values()):
            frame = _with_own(frame, expression)
        shared = {c: compiled(e) for c, e in self.layout.row.items()}
        amount = self.layout.foots_to or self._main_amount()
        frame = frame.with_columns(
            *(e.alias(_ROW + c) for c, e in shared.items() if c != "entity"),
            _entity(shared.get("entity"), around).alias(_ROW + "entity"),
            (shared["entity"] if "entity" in shared else pl.lit(None, pl.String)).alias("named"),
            compiled(self.layout.line_id).alias(_ROW + "line_id"),
            compiled(amount).alias(_ROW + "total"),
            compiled(self.layout.control_amount).fill_null(0).alias(_ROW + "control"),
            _first_true(self.layout.skip).alias("skipped"),
        )
        return frame.with_columns(pl.col(_ROW + "currency").str.to_uppercase())

    def refusals(self, rows: pl.DataFrame, around: Surroundings) -> list[pl.DataFrame]:
        """Rows whose legal entity is not known."""
        lost = rows.filter(pl.col(_ROW + "entity").is_null() & pl.col("skipped").is_null())
        named = pl.col("named")
        header = " ".join(
            h for n in sorted(self._entity_columns()) for h in self.layout.columns[n].headers
        )
        message = (
            pl.when(named.is_null())
            .then(pl.lit("the row names no legal entity and the feed has no default"))
            .otherwise(pl.format("{} is no legal entity nor a name of one", named))
        )
        remedy = "add it to known_as of an entity in tieout.yaml, or set the feed's entity"
        found = refuse(lost, _MAPPING_RANK, "unknown_entity", header, named, message, remedy)
        return [found] if found.height else []

    def lines(self, rows: pl.DataFrame, around: Surroundings) -> Mapped:
        """The lines of good rows; amounts that do not fit are refused, not rounded."""
        parts = [
            _rows_when(rows, rule.when).select(*self._line(rule, n))
            for n, rule in enumerate(self.layout.lines)
        ]
        if self.layout.foots_to is not None:
            parts.append(self._out_of_balance(rows))
        # One chunk: Polars 2.1 panics in string functions on frames with empty chunks.
        wide = pl.concat([p for p in parts if p.height] or parts[:1], rechunk=True)
        cast = wide.with_columns(
            pl.col(c).cast(d, strict=False) for c, d in self.canonical.items() if d.is_decimal()
        )
        refusals = [
            _too_fine(wide.filter(wrong), c, d)
            for c, d in self.canonical.items()
            if isinstance(d, pl.Decimal) and (wrong := _is_cut(wide[c], cast[c])).any()
        ]
        if self.layout.kind == "ledger":
            cast = cast.with_columns(_account_class(around).alias("account_class"))
        return Mapped(rows, cast, refusals)

    def _line(self, rule: LineRule, number: int) -> list[pl.Expr]:
        suffix = f":{rule.suffix}" if rule.suffix else ""
        line = [
            *(pl.col(k) for k in KEYS),
            pl.lit(number, pl.Int32).alias("rule"),
            (pl.col(_ROW + "line_id") + suffix).alias("line_id"),
            pl.col(_ROW + "line_id").alias("row_ref"),
        ]
        for column, dtype in self.canonical.items():
            if column in rule.columns:
                value = compiled(rule.columns[column])
            elif column in self.layout.row or column == "entity":
                value = pl.col(_ROW + column)
            else:
                value = pl.lit(None)
            # Decimals keep their twelve places until it is known that they fit.
            width = pl.Decimal(38, 12) if dtype.is_decimal() else dtype
            line.append(value.cast(width).alias(column))
        return line

    def _main_amount(self) -> str:
        return self.layout.lines[0].columns.get("amount") or self.layout.row["amount"]

    def _out_of_balance(self, rows: pl.DataFrame) -> pl.DataFrame:
        """What a row's lines leave over against what the row foots to."""
        found = pl.sum_horizontal(
            pl.when(compiled(r.when) if r.when else True)
            .then(compiled(r.columns["amount"]))
            .otherwise(0)
            .fill_null(0)
            for r in self.layout.lines
        )
        left = rows.with_columns((pl.col(_ROW + "total") - found).alias("left_over"))
        rule = LineRule(
            suffix="out_of_balance",
            columns={"category": "'out_of_balance'", "amount": "left_over"},
        )
        return left.filter(pl.col("left_over") != 0).select(
            *self._line(rule, len(self.layout.lines))
        )

    def _entity_columns(self) -> frozenset[str]:
        return (
            reads(self.layout.row["entity"]) & set(self.layout.columns)
            if "entity" in self.layout.row
            else frozenset()
        )


def _is_cut(exact: pl.Series, cast: pl.Series) -> pl.Series:
    """Which amounts would lose a digit."""
    return exact.is_not_null() & (cast.is_null() | (cast != exact).fill_null(False))


def _too_fine(lines: pl.DataFrame, column: str, dtype: pl.Decimal) -> pl.DataFrame:
    value = pl.col(column).cast(pl.String)
    bounds = f"{column} of {dtype.precision} digits with {dtype.scale} decimals"
    return refuse(
        lines,
        _MAPPING_RANK + 1,
        "number_does_not_fit",
        column,
        value,
        pl.format("{} does not fit a " + bounds, value),
        "Tieout does not round; ask the sender for the exact amount",
    )


def _rows_when(rows: pl.DataFrame, condition: str | None) -> pl.DataFrame:
    return rows if condition is None else rows.filter(compiled(condition))


def _with_own(frame: pl.DataFrame, expression: str) -> pl.DataFrame:
    wanted = made(expression)
    return frame.with_columns(wanted) if wanted else frame


def _first_true(conditions: Mapping[str, str]) -> pl.Expr:
    """The word of the first condition that holds, or NULL."""
    words = [pl.when(compiled(e)).then(pl.lit(word)) for word, e in conditions.items()]
    return pl.coalesce(words) if words else pl.lit(None, pl.String)


def _entity(stated: pl.Expr | None, around: Surroundings) -> pl.Expr:
    if stated is None:
        return pl.lit(around.entity, pl.String)
    if around.entities is None:
        return pl.coalesce(stated, pl.lit(around.entity or "unknown"))
    names = around.entities
    code = stated.replace_strict(
        pl.Series(list(names)), pl.Series(list(names.values())), default=None
    )
    return pl.when(stated.is_null()).then(pl.lit(around.entity, pl.String)).otherwise(code)


def _account_class(around: Surroundings) -> pl.Expr:
    """The class of the posting's account: of its entity first, of all entities (*) next."""
    if not around.accounts:
        return pl.lit(UNMAPPED)
    keys = pl.Series([f"{e}\x1f{a}" for e, a in around.accounts])
    classes = pl.Series(list(around.accounts.values()))
    own = pl.col("entity") + "\x1f" + pl.col("account")
    shared = pl.lit("*\x1f") + pl.col("account")
    return pl.coalesce(
        own.replace_strict(keys, classes, default=None),
        shared.replace_strict(keys, classes, default=None),
        pl.lit(UNMAPPED),
    )
