"""Statements, breaks and overviews as GitHub-flavoured Markdown tables, figures right-aligned.

This is what the Dagster pages show.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tieout.model import Break, Statement
from tieout.money import text_amount
from tieout.render.breaks import by_class, largest
from tieout.render.layout import (
    Pair,
    Row,
    amount_cell_text,
    answers_sentence,
    brief_amount,
    count_of,
    count_text,
    pairs,
    percent_text,
    printable,
    rows,
    watermark_sentences,
)
from tieout.render.report import COLUMNS, entries

_SPECIAL = re.compile(r"([\\`*\[\]<>|~&#!])")
_STRONG = frozenset({"received", "accepted", "unexplained", "closing"})
_INDENT = "&nbsp;&nbsp;&nbsp;"


def statements(given: Iterable[Statement]) -> str:
    """One table for each reconciliation, period, entity and currency; sides beside each other."""
    return "\n".join(f"**{escaped(pair.title)}**\n\n{_pair(pair)}" for pair in pairs(given))


def summary(given: Sequence[Statement]) -> str:
    """The overview: one row for each statement."""
    found = entries(given)
    heads = ["reconciliation", "entity", "currency", "side", *COLUMNS, "complete"]
    body = [
        [
            escaped(one.statement.reconciliation),
            escaped(one.entity),
            one.statement.currency,
            one.statement.side,
            *(
                f"{figure.count:,} / {brief_amount(figure.amount, one.statement.currency)}"
                for figure in one.figures
            ),
            f"{percent_text(one.by_count)} / {percent_text(one.by_amount)}",
        ]
        for one in found
    ]
    note = "Each figure is a count of lines and their amount.\n"
    return table(heads, body, words=4) + "\n" + note


def breaks_by_class(given: Sequence[Break]) -> str:
    """Breaks counted and summed by class, side and currency."""
    if not given:
        return "No breaks.\n"
    body = [
        [g.break_class, g.side, g.currency, f"{g.count:,}", text_amount(g.amount, g.currency)]
        for g in by_class(given)
    ]
    return table(["class", "side", "currency", "count", "amount"], body, words=3)


def breaks(given: Sequence[Break], most: int = 20) -> str:
    """The largest breaks by absolute amount, at most `most`, and how many there are besides."""
    if not given:
        return "No breaks.\n"
    body = [
        [
            one.break_class,
            one.side,
            escaped(one.line_id),
            one.period.isoformat(),
            escaped(one.explanation),
            one.currency,
            text_amount(one.amount, one.currency),
        ]
        for one in largest(given, most)
    ]
    heads = ["class", "side", "line", "period", "explanation", "currency", "amount"]
    shown = table(heads, body, words=6)
    left = len(given) - len(body)
    return shown + (f"\nand {count_of(left, 'smaller break')}\n" if left > 0 else "")


def table(
    heads: Sequence[str], body: Iterable[Sequence[str]], words: int, *, figures: int = 0
) -> str:
    """A table of `figures` right-aligned columns, `words` columns of text, and figures again.

    Cells are taken as they are: escape what comes from data.
    """
    rule = [":--" if figures <= n < figures + words else "--:" for n in range(len(heads))]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in [heads, rule, *body])


def escaped(text: str) -> str:
    """Text from data, with everything that Markdown would read as markup made plain."""
    return _SPECIAL.sub(r"\\\1", printable(text))


def _pair(pair: Pair) -> str:
    sides = [side.side for side in pair.sides]
    heads = ["", *(f"{side} {figure}" for side in sides for figure in ("count", "amount"))]
    said = [answers_sentence(pair), *map(escaped, watermark_sentences(pair))]
    shown = table(heads, [_cells(pair, row) for row in rows(pair)], words=1)
    return "\n".join([shown, *(f"{sentence}\n" for sentence in said if sentence)])


def _cells(pair: Pair, row: Row) -> list[str]:
    strong = "**" if row.name in _STRONG else ""
    cells = [_INDENT * row.depth + strong + escaped(row.label) + strong]
    for cell in row.cells:
        amount = amount_cell_text(row, cell, pair.first.currency)
        figures = (count_text(row, cell), amount)
        cells += [f"{strong}{figure}{strong}" if figure else "" for figure in figures]
    return cells
