"""The proof that changed lines explain what the rows of a statement changed by, to the cent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tieout.changes.causes import Row
from tieout.changes.model import RowChange
from tieout.model import ANSWERS, OPEN_ITEM_ROWS, STATEMENT_ROWS, Figure, Statement

Key = tuple[str, str, str]
"""Entity, currency, side."""
Rows = dict[tuple[Key, str], Figure]
_EXPLAINED = ("matched", "matched_in_transit", "timing", "breaks")
_OPEN = {
    "carried": ("opening", "closing"),
    "cleared": ("opening", "cleared"),
    "new": ("new", "closing"),
}
_BESIDE = {"repeated": "duplicates", "refused": "quarantined", "not_in_file": "not_in_file"}


def add_effects(sums: Rows, row: Row) -> None:
    """Take a line out of the rows it counted in, and into those that it counts in now."""
    for when, sign in (("was", -1), ("is", 1)):
        if row[f"{when}_there"]:
            key = (row[f"{when}_entity"], row[f"{when}_currency"], row["side"])
            lines, amount = row[f"{when}_lines"], row[f"{when}_amount"]
            for name, way in _places(row, when):
                sums[key, name] += Figure(sign * way * lines, Decimal(sign * way) * amount)


def _places(row: Row, when: str) -> Iterator[tuple[str, int]]:
    """The rows of the statement that a line counts in, and whether it adds or takes away."""
    kind = row["kind"]
    if kind != "line":
        yield "received", 1
        yield _BESIDE[kind], 1
        return
    if row[f"{when}_filed"]:
        yield from (("received", 1), ("accepted", 1), ("unexplained", 1))
    figure = row[f"{when}_figure"]
    if figure == "duplicates":
        yield from (("duplicates", 1), ("accepted", -1), ("unexplained", -1))
    elif figure in _EXPLAINED:
        yield figure, 1
        yield "unexplained", -1
    if figure == "breaks":
        yield f"breaks: {row[f'{when}_break_class']}", 1
    if row[f"{when}_answer"] is not None:
        yield f"answer: {row[f'{when}_answer']}", 1
    for name in _OPEN.get(row[f"{when}_open_item"], ()):
        yield name, 1


def rows_of(found: Sequence[Statement]) -> Rows:
    """Every row of statements, by the names that the changes have."""
    rows: Rows = {}
    for one in found:
        key = (one.entity, one.currency, one.side)
        named: dict[str, Figure] = {
            **one.rows,
            **{f"breaks: {name}": figure for name, figure in one.breaks_by_class.items()},
            **{f"answer: {name}": figure for name, figure in (one.answers or {}).items()},
            **one.open_items,
        }
        rows |= {(key, name): figure for name, figure in named.items()}
    return rows


def row_changes(was: Rows, now: Rows, sums: Mapping[Any, Figure]) -> Iterator[RowChange]:
    """Rows that differ, and rows that the lines say differ, in the order of a statement."""
    for key, name in sorted({*was, *now, *sums}, key=_in_order):
        place = (key, name)
        entity, currency, side = key
        figures = [rows.get(place, Figure()) for rows in (was, now, sums)]
        one = RowChange(entity, currency, side, name, *figures)
        if one.change != Figure() or one.rest != Figure():
            yield one


_ORDER = {name: n for n, name in enumerate((*STATEMENT_ROWS, *ANSWERS, *OPEN_ITEM_ROWS))}


def _in_order(place: tuple[Key, str]) -> tuple[object, ...]:
    (entity, currency, side), name = place
    first, _, rest = name.partition(": ")
    return entity, currency, side, _ORDER[rest if first == "answer" else first], rest
