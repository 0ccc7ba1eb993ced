"""A statement as plain text: aligned figures, at most 100 columns for any usual amount."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from tieout.model import Statement
from tieout.money import text_amount
from tieout.render.layout import (
    Pair,
    Row,
    aligned,
    amount_cell_text,
    answers_sentence,
    count_of,
    count_text,
    pairs,
    printable,
    rows,
    watermark_sentences,
)

WIDTH = 100
_BLANK_BEFORE = frozenset({"billed_and_booked", "opening", "completeness"})


def statements(given: Iterable[Statement]) -> str:
    """All statements, both sides of a reconciliation beside each other; ends with a newline."""
    return "\n".join(_pair(pair) for pair in pairs(given))


def _pair(pair: Pair) -> str:
    table = _table(pair)
    if max(len(line) for line in table) > WIDTH and len(pair.sides) > 1:
        table = [line for side in pair.sides for line in [*_table(Pair((side,))), ""]][:-1]
    title = printable(pair.title)
    answers = textwrap.wrap(answers_sentence(pair), WIDTH)
    seen = [line for told in watermark_sentences(pair) for line in textwrap.wrap(told, WIDTH)]
    lines = [title, "=" * len(title), *table, *answers, *seen, *_what_fails(pair)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _table(pair: Pair) -> list[str]:
    """Heading and rows; each side takes a count and an amount column."""
    shown = rows(pair)
    labels = [printable("  " * row.depth + row.label) for row in shown]
    columns = [column for n in range(len(pair.sides)) for column in _columns(pair, shown, n)]
    width = max(map(len, labels))
    heads = [name for _ in pair.sides for name in ("count", "amount")]
    widths = [
        max(len(head), *map(len, column)) for head, column in zip(heads, columns, strict=True)
    ]
    lines = [_sides_heading(pair, width, widths), _line("", width, heads, widths)]
    for n, row in enumerate(shown):
        if row.name in _BLANK_BEFORE:
            lines.append("")
        lines.append(_line(labels[n], width, [column[n] for column in columns], widths))
    return lines


def _columns(pair: Pair, shown: Sequence[Row], side: int) -> tuple[list[str], list[str]]:
    """Counts and amounts of one side; amounts with their decimal points in one column."""
    counts = [count_text(row, row.cells[side]) for row in shown]
    plain = [n for n, row in enumerate(shown) if not row.percent]
    amounts = [amount_cell_text(row, row.cells[side], pair.first.currency) for row in shown]
    for n, figure in zip(plain, aligned([amounts[n] for n in plain]), strict=True):
        amounts[n] = figure
    return counts, amounts


def _sides_heading(pair: Pair, width: int, widths: Sequence[int]) -> str:
    line = " " * width
    for n, side in enumerate(pair.sides):
        line += "   " + f" {side.side} ".center(widths[2 * n] + widths[2 * n + 1] + 2, "-")
    return line


def _line(label: str, width: int, cells: Sequence[str], widths: Sequence[int]) -> str:
    line = f"{label:<{width}}"
    for n, (cell, size) in enumerate(zip(cells, widths, strict=True)):
        line += ("  " if n % 2 else "   ") + f"{cell:>{size}}"
    return line


def _what_fails(pair: Pair) -> list[str]:
    return [
        f"! the {side.side} side does not hold: {count_of(side.rows['unexplained'].count, 'line')},"
        f" {text_amount(side.rows['unexplained'].amount, side.currency)} {side.currency},"
        " in no row above"
        for side in pair.sides
        if not side.holds
    ]
