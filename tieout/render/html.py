"""The HTML report: one self-contained page, without scripts and without anything to fetch.

Statements with both sides beside each other, an overview that links to them, and the breaks with
their explanations. It prints well: one statement is never torn across two pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from tieout.model import Break, Statement
from tieout.money import text_amount
from tieout.render import chart, waterfall, waterfall_chart
from tieout.render.breaks import by_class, largest
from tieout.render.layout import (
    Pair,
    Row,
    amount_cell_text,
    brief_amount,
    count_of,
    count_text,
    entity_text,
    pairs,
    percent_text,
    printable,
    rows,
    watermark_sentences,
)
from tieout.render.report import COLUMNS, does_it_hold, entries, is_clear
from tieout.waterfall import Waterfall

MOST_BREAKS = 2_000
"""Breaks listed in a page; a browser has to open it. The CSV has all of them."""

MOST_PICTURES = 60
"""Waterfalls drawn in a page; every one has its table."""
_STRONG = frozenset({"received", "accepted", "unexplained", "closing"})


@dataclass(frozen=True, slots=True)
class _TableRow:
    label: str
    depth: int
    css: str
    strong: bool
    figures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Table:
    title: str
    anchor: str
    sides: tuple[str, ...]
    rows: tuple[_TableRow, ...]
    failing: tuple[str, ...]
    seen: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Steps:
    """A waterfall as the page shows it; rows are class, label, count and amount as text."""

    title: str
    picture: Markup | None
    rows: tuple[tuple[str, str, str, str], ...]


def report(
    given: Sequence[Statement],
    breaks: Sequence[Break],
    *,
    title: str,
    by_day: Sequence[Statement] = (),
    waterfalls: Sequence[Waterfall] = (),
) -> str:
    """The whole page as text (write it as UTF-8).

    `by_day` are the statements of single days, for the charts of a month; a chart is drawn for each
    reconciliation among them. At most 2,000 breaks, the largest, are listed; of the waterfalls all
    are listed, and the first 60 drawn.
    """
    return _template().render(
        title=title,
        tables=[_table(pair) for pair in pairs(given)],
        entries=entries(given),
        anchors=[pair.anchor for one in given for pair in pairs([one])],
        columns=COLUMNS,
        verdict=does_it_hold(given),
        holds=all(one.holds for one in given),
        clear=is_clear(given),
        classes=by_class(breaks),
        breaks=largest(breaks, MOST_BREAKS),
        left_out=max(0, len(breaks) - MOST_BREAKS),
        charts=_charts(by_day),
        waterfalls=[_steps(one, drawn=n < MOST_PICTURES) for n, one in enumerate(waterfalls)],
    )


def _table(pair: Pair) -> _Table:
    first = pair.first
    shown = [
        _TableRow(
            row.label,
            row.depth,
            _css(row),
            row.name in _STRONG,
            tuple(
                figure
                for cell in row.cells
                for figure in (count_text(row, cell), amount_cell_text(row, cell, first.currency))
            ),
        )
        for row in rows(pair)
    ]
    failing = [
        f"The {side.side} side does not hold:"
        f" {count_of(side.rows['unexplained'].count, 'line')},"
        f" {text_amount(side.rows['unexplained'].amount, side.currency)} {side.currency}"
        " are in no row above."
        for side in pair.sides
        if not side.holds
    ]
    sides = tuple(side.side for side in pair.sides)
    seen = tuple(watermark_sentences(pair))
    return _Table(pair.title, pair.anchor, sides, tuple(shown), tuple(failing), seen)


def _steps(one: Waterfall, *, drawn: bool) -> _Steps:
    shown = []
    for row in waterfall.rows(one):
        css = "strong" if row.is_total else ""
        if row.part == "unexplained" and row.figure.amount:
            css += " nonzero"
        count = f"{row.figure.count:,}" if row.figure.count else ""
        shown.append((css, row.label, count, text_amount(row.figure.amount, one.currency)))
    picture = Markup(waterfall_chart.chart(one)) if drawn else None  # noqa: S704 - escaped there
    return _Steps(waterfall.title(one), picture, tuple(shown))


def _css(row: Row) -> str:
    """The classes of a row: where a part begins, what is a sum, what should be nil and is not."""
    found = any(cell and (cell.count or cell.amount) for cell in row.cells)
    words = [
        "strong" if row.name in _STRONG else "",
        "section" if row.name in ("billed_and_booked", "opening", "completeness") else "",
        row.part if row.part in ("class", "age") else "",
        "nonzero" if row.name in ("unexplained", "not_in_file") and found else "",
    ]
    return " ".join(word for word in words if word)


def _charts(by_day: Sequence[Statement]) -> list[Markup]:
    """One picture a reconciliation; the SVG has what comes from data escaped."""
    names = list(dict.fromkeys(one.reconciliation for one in by_day))
    pictures = [
        chart.outcomes(
            [s for s in by_day if s.reconciliation == name], f"{name}, source lines by day"
        )
        for name in names
    ]
    return [Markup(svg) for svg in pictures]  # noqa: S704 - escaped where it is made


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("tieout.render", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "amount": text_amount,
        "brief": brief_amount,
        "entity": entity_text,
        "percent": percent_text,
        "printable": printable,
        "count_of": count_of,
    }
    return environment.get_template("report.html")
