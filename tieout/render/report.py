"""The completeness report: one compact table over all reconciliations, entities and currencies."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tieout.model import Figure, Statement
from tieout.money import NO_CURRENCY
from tieout.render.layout import (
    accepts_any,
    brief_amount,
    classes_in_order,
    count_of,
    entity_text,
    percent_text,
    printable,
)

COLUMNS = tuple("received, set aside, matched, in transit, timing, breaks, unexplained".split(", "))
"""What was received less what was set aside (not in the file, quarantined, a duplicate) is the
sum of the others."""
_WIDTH = 100
_ROWS = ("matched", "matched_in_transit", "timing", "breaks", "unexplained")
_LEFT_OUT = frozenset({"set aside", "in transit"})
"""Columns that the text leaves out where they are nil throughout: a terminal is narrow."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the report; `figures` in the order of COLUMNS, shares in percent."""

    statement: Statement
    figures: tuple[Figure, ...]

    @property
    def entity(self) -> str:
        """The entity in words."""
        return entity_text(self.statement.entity)

    @property
    def by_count(self) -> Decimal:
        """Matched share of the lines received."""
        return self.statement.completeness["count"]

    @property
    def by_amount(self) -> Decimal:
        """Matched share of the amount received."""
        return self.statement.completeness["amount"]


def entries(given: Sequence[Statement]) -> list[Entry]:
    """One entry for each statement, in the order given."""
    return [
        Entry(
            one,
            (
                one.rows["received"],
                one.rows["received"] - one.rows["accepted"],
                *(one.rows[name] for name in _ROWS),
            ),
        )
        for one in given
    ]


def text(given: Sequence[Statement]) -> str:
    """The report as text: two lines a statement, counts above amounts; ends with a newline.

    Amounts are shown to the currency's minor unit; a difference that would round to nothing keeps
    its digits. Statements of which no line was accepted are summed up below their reconciliation.
    """
    found = entries(given)
    full = [one for one in found if accepts_any(one.statement)]
    table = iter(_table(full))
    lines = [next(table)]
    for title in dict.fromkeys(map(_title, found)):
        lines += ["", printable(title)]
        for _ in [one for one in full if _title(one) == title]:
            lines += [next(table), next(table)]
        lines += _not_accepted(
            [o for o in found if _title(o) == title and not accepts_any(o.statement)]
        )
    return "\n".join(line.rstrip() for line in lines) + "\n"


def totals(given: Sequence[Statement]) -> dict[str, dict[str, int]]:
    """Lines by reconciliation and column, over entities, currencies and both sides.

    Counts only: amounts of different currencies have no sum.
    """
    found: dict[str, dict[str, int]] = {}
    for entry in entries(given):
        counts = found.setdefault(entry.statement.reconciliation, dict.fromkeys(COLUMNS, 0))
        for column, figure in zip(COLUMNS, entry.figures, strict=True):
            counts[column] += figure.count
    return found


def totals_text(given: Sequence[Statement]) -> str:
    """The same as a small table of lines, both sides together; ends with a newline."""
    found = totals(given)
    rows = [["lines of both sides", *COLUMNS]]
    rows += [[printable(n), *(f"{c:,}" for c in counts.values())] for n, counts in found.items()]
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = [
        "  ".join(
            [
                f"{row[0]:<{widths[0]}}",
                *(f"{c:>{w}}" for c, w in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def does_it_hold(given: Sequence[Statement]) -> str:
    """Whether every statement explains every line, and what is open all the same."""
    failing = [one for one in given if not one.holds]
    if not failing:
        return "\n".join([_what_is_proven(given), *_what_is_open(given)])
    names = ", ".join(
        f"{one.reconciliation} {one.entity} {one.currency} {one.side}" for one in failing[:5]
    )
    more = f" and {len(failing) - 5} more" if len(failing) > 5 else ""
    return f"{len(failing)} of {len(given)} statements do NOT hold: {names}{more}."


def _what_is_proven(given: Sequence[Statement]) -> str:
    """No lines are explained to zero too, and must not be taken for a month that is whole."""
    if not given or any(one.rows["received"].count for one in given):
        return "Unexplained is 0 everywhere: every line received is accounted for."
    older = sum(one.open_items["closing"].count for one in given)
    return f"No line was received, so there is nothing to prove. {_older(older)}"


def is_clear(given: Sequence[Statement]) -> bool:
    """Whether every line is explained, and none is a break, nor any delivery."""
    return all(one.holds and not one.rows["breaks"].count and not one.delivery for one in given)


def _what_is_open(given: Sequence[Statement]) -> Iterator[str]:
    """A sentence each on lines that are breaks, on timing items, and on breaks of deliveries."""
    broken = sum(one.rows["breaks"].count for one in given)
    waiting = sum(one.rows["timing"].count for one in given)
    told = f"{_lines_are(broken, 'a break', 'breaks')}, {_lines_are(waiting, 'timing', 'timing')}."
    yield told[0].upper() + told[1:]
    classes = {name for one in given for name in one.delivery}
    if classes:
        names = ", ".join(classes_in_order(classes))
        yield f"Deliveries have breaks of their own: {names}."


def _older(count: int) -> str:
    if count == 0:
        return "Nothing of earlier periods is open."
    return f"{count:,} {'line is' if count == 1 else 'lines are'} open from earlier periods."


def _lines_are(count: int, singular: str, plural: str) -> str:
    if count == 0:
        return f"no line is {singular}"
    return f"{count:,} line is {singular}" if count == 1 else f"{count:,} lines are {plural}"


def _title(one: Entry) -> str:
    return f"{one.statement.reconciliation}, {one.statement.period}"


def _table(found: Sequence[Entry]) -> list[str]:
    """The heading, then two lines for each entry."""
    kept = [n for n, name in enumerate(COLUMNS) if name not in _LEFT_OUT or _any(found, n)]
    columns = [_column(found, n) for n in kept]
    columns.append([cell for e in found for cell in map(percent_text, (e.by_count, e.by_amount))])
    words = [[printable(one.entity), one.statement.currency, one.statement.side] for one in found]
    heads = ["entity", "cur", "side", *(COLUMNS[n] for n in kept), "complete"]
    widths = [
        max(len(head), *(len(row[n]) for row in words), 0) for n, head in enumerate(heads[:3])
    ]
    widths += [max(len(h), *map(len, c), 0) for h, c in zip(heads[3:], columns, strict=True)]
    gap = "  " if sum(widths) + 2 * len(widths) <= _WIDTH else " "
    lines = [_line(heads, widths, gap)]
    for n, row in enumerate(words):
        lines.append(_line([*row, *(column[2 * n] for column in columns)], widths, gap))
        lines.append(_line(["", "", "", *(c[2 * n + 1] for c in columns)], widths, gap))
    return lines


def _any(found: Sequence[Entry], n: int) -> bool:
    return any(entry.figures[n] != Figure() for entry in found)


def _column(found: Sequence[Entry], n: int) -> list[str]:
    """Count and amount of one column in turn."""
    return [
        cell
        for entry in found
        for cell in (
            f"{entry.figures[n].count:,}",
            brief_amount(entry.figures[n].amount, entry.statement.currency),
        )
    ]


def _line(cells: Sequence[str], widths: Sequence[int], gap: str) -> str:
    words = [f"{cell:<{width}}" for cell, width in zip(cells[:3], widths[:3], strict=True)]
    figures = [f"{cell:>{width}}" for cell, width in zip(cells[3:], widths[3:], strict=True)]
    return gap.join([" ".join(words), *figures])


def _not_accepted(found: Sequence[Entry]) -> list[str]:
    """What was received and not accepted where nothing else was, in a sentence for each side."""
    groups: dict[str, dict[str, list[str]]] = {}
    for one in found:
        of_side = groups.setdefault(one.statement.side, {})
        of_side.setdefault(one.entity, []).append(_received(one))
    lines = []
    for side, by_entity in groups.items():
        told = "; ".join(f"{printable(name)} {', '.join(f)}" for name, f in by_entity.items())
        said = f"{side}, received and not accepted besides: {told}"
        lines += textwrap.wrap(said, _WIDTH, initial_indent="  ", subsequent_indent="    ")
    return lines


def _received(one: Entry) -> str:
    """`8 lines 20.00 USD`, or only the amount where a sender states no count."""
    received, currency = one.figures[0], one.statement.currency
    words = [count_of(received.count, "line")] if received.count else []
    if received.amount or not words:
        words.append(brief_amount(received.amount, currency))
    words.append("without a currency" if currency == NO_CURRENCY else currency)
    return " ".join(words)
