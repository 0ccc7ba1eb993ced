"""The two sides of a reconciliation as the engine sees them: common columns, scope and match keys.

Expressions are built from validated column names, never from text, so that the statements in sql/
stay static.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

import duckdb
from duckdb import (
    CaseExpression,
    CoalesceOperator,
    ColumnExpression,
    ConstantExpression,
    FunctionExpression,
)

from tieout.errors import ConfigurationError
from tieout.keyparts import KeyPart, Step, parse
from tieout.lines.columns import UNMAPPED, columns
from tieout.model import SideName
from tieout.rules import Reconciliation, Side
from tieout.settings import Kind

Expression = duckdb.Expression

SEPARATOR = "\x1f"
"""Between the parts of a match key; no validated text column may hold it."""

_PASSED_ON = (
    "feed",
    "line_id",
    "extract_sha256",
    "row_number",
    "received_on",
    "entity",
    "currency",
    "occurred_on",
    "period",
)
_LEDGER_ONLY = ("account", "account_class", "journal_ref", "reversal_of")

_RATES = {
    "functional_amount": "DECIMAL(18, 4)",
    "presentment_amount": "DECIMAL(18, 4)",
    "exchange_rate": "DECIMAL(38, 12)",
}

_REFS: dict[Kind, tuple[str, ...]] = {
    "settlement": ("payment_ref", "settlement_batch", "line_id"),
    "usage": ("subscription_ref", "customer_ref", "line_id"),
    "invoice": ("invoice_ref", "line_id"),
    "ledger": ("line_ref", "document_ref", "batch_ref", "journal_ref", "line_id"),
    "event": ("subject_ref", "event_id", "line_id"),
}


def component(kind: Kind) -> Expression:
    """What a line is for: category, tax or revenue, meter. Keys and variance classes use it."""
    text = ConstantExpression
    if kind == "invoice":
        tax = ColumnExpression("line_type") == text("tax")
        return CaseExpression(tax, text("tax")).otherwise(text("revenue"))
    if kind == "ledger":
        account_class = ColumnExpression("account_class")
        deferred = account_class == text("deferred_revenue")
        plain = CaseExpression(deferred, text("revenue")).otherwise(account_class)
        return CoalesceOperator(ColumnExpression("category"), plain)
    return ColumnExpression({"settlement": "category", "usage": "meter", "event": "type"}[kind])


def check_keys(name: str, reconciliation: Reconciliation, kinds: dict[SideName, Kind]) -> None:
    """Refuse key and scope columns that a side's kind does not have. Raises ConfigurationError."""
    for side_name, side in (("source", reconciliation.source), ("target", reconciliation.target)):
        kind = kinds["source" if side_name == "source" else "target"]
        allowed = {*columns(kind), "component"}
        named = [
            (
                f"{p.name}.key.{side_name}",
                [parse(part).column for part in getattr(p.key, side_name)],
            )
            for p in reconciliation.passes
        ]
        named.append((f"{side_name}.where", list(side.where) if side else []))
        for place, used in named:
            for column in used:
                if column not in allowed:
                    raise ConfigurationError(
                        f"{kind} lines have no column {column!r}",
                        f"columns are {', '.join(sorted(allowed))}",
                        f"reconciliations.{name}.{place}",
                    )


def project(
    relation: duckdb.DuckDBPyRelation,
    kind: Kind,
    side_name: SideName,
    side: Side,
    keys: Sequence[Sequence[str]],
    source: Side | None = None,
    *,
    functional: bool = False,
    fee_rule: Expression | None = None,
) -> duckdb.DuckDBPyRelation:
    """Lines of one side (columns of its kind) in the engine's common columns.

    Grain: one line; source lines out of scope are left out, target lines out of scope stay (they
    may be what a source line was wrongly posted to). `keys`: the key columns of each pass. Where
    both sides read the same feeds, the target needs `source`: a source line is not its own target.
    `functional`: whether a pass compares functional amounts; without one the columns are NULL.
    `fee_rule` is what expects the lines where one side is a fee schedule's.
    """
    scope = _scope(kind, side)
    if side_name == "source":
        relation = relation.filter(scope)
    elif source is not None:
        shared = ColumnExpression("feed").isin(*(ConstantExpression(f) for f in source.feeds))
        relation = relation.filter(scope | ~(shared & _scope(kind, source)))
    amount = ColumnExpression("amount")
    own = [
        ConstantExpression(side_name).alias("side"),
        *(ColumnExpression(c) for c in _PASSED_ON),
        ColumnExpression("period").alias("counted_on"),
        (-amount if side.sign < 0 else amount).alias("amount"),
        component(kind).alias("component"),
        CoalesceOperator(*(ColumnExpression(c) for c in _REFS[kind])).alias("ref"),
        scope.alias("in_scope"),
        FunctionExpression("list_value", *(_key(kind, parts) for parts in keys)).alias("keys"),
        _finest(kind, keys).alias("finest"),
        *(_ledger_column(kind, c) for c in _LEDGER_ONLY),
        *_rates(kind if functional else None, side.sign),
        (ConstantExpression(None) if fee_rule is None else fee_rule)
        .cast("VARCHAR")
        .alias("fee_rule"),
    ]
    return relation.select(*own)


def _scope(kind: Kind, side: Side) -> Expression:
    """Whether a line takes part. A posting on an unmapped account never does by its class."""
    conditions = [
        (component(kind) if column == "component" else ColumnExpression(column)).isin(
            *(ConstantExpression(value) for value in values)
        )
        for column, values in sorted(side.where.items())
    ]
    if kind == "ledger":
        conditions.append(ColumnExpression("account_class") != ConstantExpression(UNMAPPED))
    if not conditions:
        return ConstantExpression(True)
    every = reduce(lambda a, b: a & b, conditions)
    return CoalesceOperator(every, ConstantExpression(False))


def _key(kind: Kind, parts: Sequence[str]) -> Expression:
    """The parts as one text; NULL as soon as one part is."""
    texts = [_part(kind, parse(part)) for part in parts]
    return reduce(
        lambda a, b: FunctionExpression(
            "||", FunctionExpression("||", a, ConstantExpression(SEPARATOR)), b
        ),
        texts,
    )


def _part(kind: Kind, part: KeyPart) -> Expression:
    """One part of a key after its steps; NULL where they leave nothing."""
    column = component(kind) if part.column == "component" else ColumnExpression(part.column)
    text = column.cast("VARCHAR")
    for step in part.steps:
        text = FunctionExpression("nullif", _after(step, text), ConstantExpression(""))
    return text


def _after(step: Step, text: Expression) -> Expression:
    """The text as a step leaves it (tieout.keyparts says what each does)."""

    def call(function: str, *arguments: object) -> Expression:
        return FunctionExpression(function, text, *map(ConstantExpression, arguments))

    size = len(step.text)
    length = FunctionExpression("length", text)
    simple: dict[str, Callable[[], Expression]] = {
        "upper": lambda: call("upper"),
        "alphanumeric": lambda: call("regexp_replace", r"[^\p{L}\p{N}]", "", "g"),
        "digits": lambda: call("regexp_replace", "[^0-9]", "", "g"),
        "without_zeros": lambda: call("ltrim", "0"),
        "before": lambda: call("split_part", step.text, 1),
        "first": lambda: call("left", step.number),
        "last": lambda: call("right", step.number),
        "without_prefix": lambda: CaseExpression(
            call("starts_with", step.text), call("substr", size + 1)
        ).otherwise(text),
        "without_suffix": lambda: CaseExpression(
            call("ends_with", step.text),
            FunctionExpression("left", text, length - ConstantExpression(size)),
        ).otherwise(text),
        "after": lambda: CaseExpression(
            call("contains", step.text),
            FunctionExpression("substr", text, call("instr", step.text) + ConstantExpression(size)),
        ).otherwise(text),
    }
    return simple[step.name]()


def _finest(kind: Kind, keys: Sequence[Sequence[str]]) -> Expression:
    """Number of the first pass for which the line has a key."""
    first = ConstantExpression(None).cast("INTEGER")
    for number, parts in reversed(list(enumerate(keys, 1))):
        whole = _key(kind, parts).isnotnull()
        first = CaseExpression(whole, ConstantExpression(number)).otherwise(first)
    return first


def _rates(kind: Kind | None, sign: int) -> Sequence[Expression]:
    """What a line says of other currencies than its own; the columns of sql/line_row.sql."""
    found = [ConstantExpression(None).cast(_RATES[name]).alias(name) for name in _RATES]
    if kind == "ledger":
        posted = ColumnExpression("functional_amount")
        found[0] = (-posted if sign < 0 else posted).alias("functional_amount")
    elif kind == "settlement":
        presented = ColumnExpression("presentment_amount")
        found[1] = (-presented if sign < 0 else presented).alias("presentment_amount")
        found[2] = ColumnExpression("exchange_rate")
    return found


def _ledger_column(kind: Kind, column: str) -> Expression:
    if kind == "ledger":
        return ColumnExpression(column)
    return ConstantExpression(None).cast("VARCHAR").alias(column)
