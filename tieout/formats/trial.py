"""A format's declaration tried before a row is read: each expression run on an empty table.

A wrong name or type is an error with its place in the file now, not in the middle of a night's run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from tieout.errors import ConfigurationError
from tieout.formats.expressions import compiled, made, reads
from tieout.formats.mapping import Plan, Surroundings
from tieout.formats.models import Format
from tieout.formats.parsing import DTYPES
from tieout.formats.refusals import KEYS
from tieout.lines.columns import OWN
from tieout.yamlfile import Trail

NEEDED = ("currency", "amount", "occurred_on", "period")


class WrongPlaceError(ConfigurationError):
    """A declaration that does not work; `trail` leads to the setting at fault."""

    def __init__(self, trail: Trail, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.trail = trail


def try_out(layout: Format) -> None:
    """Check names and types of every expression. Raises WrongPlaceError for the first at fault."""
    plan = Plan(layout)
    _check_columns(plan)
    _check_references(layout)
    frame = pl.DataFrame(
        schema={"extract": pl.Int32(), "source_row": pl.Int64()}
        | {n: DTYPES[c.type] for n, c in layout.columns.items()}
    )
    for trail, expression in _expressions(layout):
        _check_names(layout, trail, expression)
        frame, dtype = _tried(frame, trail, expression)
        if trail[0] == "row" or "columns" in trail:
            _check_type(plan, trail, dtype)
    rows = plan.rows(frame.select(*KEYS, *layout.columns), Surroundings())
    plan.lines(rows, Surroundings())


def _expressions(layout: Format) -> Iterator[tuple[Trail, str]]:
    """Every expression with its place, in the order in which they are used."""
    yield from _each(("derive",), layout.derive)
    yield ("line_id",), layout.line_id
    yield from _each(("row",), layout.row)
    yield from _each((), {"control_amount": layout.control_amount, "foots_to": layout.foots_to})
    yield from _each(("skip",), layout.skip)
    for n, rule in enumerate(layout.lines):
        yield from _each(("lines", n), {"when": rule.when})
        yield from _each(("lines", n, "columns"), rule.columns)
    for n, one in enumerate(layout.checks):
        parts = {"stated": one.stated, "found": one.found, "when": one.when}
        yield from _each(("checks", n), parts)
    if (batch := layout.controls.batch) is not None:
        yield from _each(("controls", "batch"), {"payout": batch.payout, "paid": batch.paid})


def _each(where: Trail, given: Mapping[str, str | None]) -> Iterator[tuple[Trail, str]]:
    for name, expression in given.items():
        if expression is not None:
            yield (*where, name), expression


def _check_names(layout: Format, trail: Trail, expression: str) -> None:
    known = {*KEYS, *layout.columns, *layout.derive}
    try:
        unknown = sorted(reads(expression) - known)
    except ConfigurationError as problem:
        raise WrongPlaceError(
            trail, f"{_shown(trail)}: {problem.problem}", problem.remedy
        ) from None
    if unknown:
        raise WrongPlaceError(
            trail,
            f"{_shown(trail)} reads {', '.join(unknown)}, which is no column of the format",
            f"columns are {', '.join(sorted(known))}",
        )


def _tried(frame: pl.DataFrame, trail: Trail, expression: str) -> tuple[pl.DataFrame, pl.DataType]:
    """The frame, with a derived column where that is one, and the expression's type."""
    try:
        if own := made(expression):
            frame = frame.with_columns(own)
        values = frame.select(compiled(expression).alias("value"))["value"]
    except pl.exceptions.PolarsError as problem:
        reason = str(problem).splitlines()[0]
        raise WrongPlaceError(
            trail, f"{_shown(trail)}: {expression!r} does not work: {reason}", "correct it"
        ) from None
    if trail[0] == "derive":
        frame = frame.with_columns(values.alias(str(trail[1])))
    return frame, values.dtype


def _check_type(plan: Plan, trail: Trail, found: pl.DataType) -> None:
    wanted = plan.canonical[str(trail[-1])]
    numbers = wanted.is_numeric() and found.is_numeric() and not found.is_float()
    days = wanted.is_temporal() and found.is_temporal()
    if not (found in (wanted, pl.Null) or numbers or days):
        raise WrongPlaceError(
            trail, f"{trail[-1]} is {found}, and must be {wanted}", "cast it in the expression"
        )


def _check_columns(plan: Plan) -> None:
    """The canonical columns: those there are, those that must be, those that must not."""
    layout = plan.layout
    mapped: list[Trail] = [("row", name) for name in layout.row]
    mapped += [("lines", n, "columns", c) for n, r in enumerate(layout.lines) for c in r.columns]
    for trail in mapped:
        if trail[-1] not in plan.canonical:
            raise WrongPlaceError(
                trail,
                f"{trail[-1]}: no such column of {layout.kind} lines",
                f"columns are {', '.join(plan.canonical)}",
            )
    for column in NEEDED:
        if column not in layout.row and any(column not in r.columns for r in layout.lines):
            raise WrongPlaceError(
                ("row",), f"nothing gives {column}", "map it under row or in each line"
            )
    if layout.foots_to and ("category" not in OWN[layout.kind] or "amount" in layout.row):
        raise WrongPlaceError(
            ("foots_to",),
            "foots_to is for settlement formats whose lines state an amount each",
            "leave it out, or state the amount under lines",
        )


def _check_references(layout: Format) -> None:
    """Settings that name a column of the format must name one it has."""
    own: list[tuple[Trail, str | None]] = [
        (("recognise", n), name) for n, name in enumerate(layout.recognise)
    ]
    for name, column in layout.columns.items():
        own.append((("columns", name, "minor_units"), column.minor_units))
        own.append((("columns", name, "zone_column"), column.zone_column))
    for control, part in layout.controls:
        # A batch's payout and paid are expressions.
        for name, value in part or ():
            if name not in ("payout", "paid", "carries_over"):
                own.append((("controls", control, name), value))
    for trail, value in own:
        known = {*layout.columns} | ({*layout.derive} if trail[0] == "controls" else set())
        if value is not None and value not in known:
            raise WrongPlaceError(
                trail,
                f"{_shown(trail)}: no column {value}",
                f"columns are {', '.join(sorted(known))}",
            )


def _shown(trail: Trail) -> str:
    return ".".join(map(str, trail))
