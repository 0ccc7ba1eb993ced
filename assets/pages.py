"""What the page of a statement shows, cut so that Dagster's UI shows it in place.

The UI shows Markdown in place below 1,000 characters and hides longer text behind a click. So each
entity and currency has a short table of its own, and what is long comes last, whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import dagster as dg

from tieout.model import STATEMENT_ROWS, Break, Figure, Statement
from tieout.money import text_amount
from tieout.render import chart, markdown
from tieout.render.breaks import largest
from tieout.render.layout import Pair, pairs
from tieout.render.sparkline import LONGEST, small_outcomes

CHART_DAYS = 31
_MOST_TABLES = 12
_MOST_BREAKS = 10
_QUIET = frozenset({"not_in_file", "quarantined", "duplicates", "matched_in_transit", "timing"})
"""Rows left out of a table that would be too long, where they are zero on every side."""

Metadata = Mapping[str, Any]


def statement_page(
    name: str, day: str, history: Mapping[str, Sequence[Statement]], broken: Sequence[Break]
) -> dict[str, Any]:
    """The page of one day: what it comes to, its statements and breaks, then the whole of each.

    `history` holds the statements of the days the chart shows, by day.
    """
    given = history[day]
    shown = sorted(
        (pair for pair in pairs(given) if any(map(_has_lines, pair.sides))), key=_most_lines_first
    )
    days = [d for d in _days_to(day) if str(d) in history]
    drawn = [one for d in days for one in history[str(d)]]
    page: dict[str, Any] = {
        "unexplained": unexplained_text(given),
        "breaks": sum(s.rows["breaks"].count for s in given),
        "completeness": completeness_ratio(given),
        "matched, timing, breaks by day": _markdown(small_outcomes(drawn, days)),
        **{_title(pair): _markdown(short_table(pair)) for pair in shown[:_MOST_TABLES]},
    }
    if not shown:
        page["statement"] = "nothing came that counts on this day"
    if broken:
        page["breaks by class"] = _markdown(markdown.breaks_by_class(broken))
        page["largest breaks"] = _markdown(_short_breaks(broken))
    title = f"{name}: source lines by day, to {day}"
    return page | {
        "breaks explained": _markdown(_explained(broken)),
        "whole statement": _markdown(markdown.statements(given) or "Nothing came.\n"),
        "chart": _markdown(chart.as_markdown_image(chart.outcomes(drawn, title), title)),
    }


def overview(given: Sequence[Statement]) -> str:
    """Lines of each reconciliation, all entities, currencies and sides together, as a short table.

    Counts only: amounts of several currencies do not add up.
    """
    names = list(dict.fromkeys(one.reconciliation for one in given))
    rows = ("received", "matched", "matched_in_transit", "timing", "breaks", "unexplained")
    body = [
        [name, *(f"{sum(s.rows[row].count for s in of_name):,}" for row in rows)]
        for name in names
        for of_name in [[s for s in given if s.reconciliation == name]]
    ]
    return markdown.table(["lines", *(row.replace("_", " ") for row in rows)], body, words=1)


def short_table(pair: Pair) -> str:
    """Counts and amounts of both sides of one entity and currency, as a table that is short."""
    whole = _table(pair, STATEMENT_ROWS)
    if len(whole) <= LONGEST:
        return whole
    return _table(pair, [row for row in STATEMENT_ROWS if _is_said(pair, row)])


def completeness_ratio(given: Sequence[Statement]) -> float:
    """Matched lines over received lines, from 0 to 1, over all entities, currencies and sides.

    A ratio of counts, to be plotted: amounts of several currencies do not add up.
    """
    received = sum(s.rows["received"].count for s in given)
    matched = sum(s.rows["matched"].count + s.rows["matched_in_transit"].count for s in given)
    # Rounded down, so that 1 is said only of what is complete.
    return matched * 10_000 // received / 10_000 if received else 1.0


def unexplained_text(given: Sequence[Statement]) -> str:
    """What is left unexplained, of each statement that does not hold; `0.00` when all do."""
    failing = [
        f"{s.rows['unexplained'].count:,} lines, "
        f"{text_amount(s.rows['unexplained'].amount, s.currency)} {s.currency} "
        f"({s.reconciliation}, {s.entity}, {s.side})"
        for s in given
        if s.rows["unexplained"] != Figure()
    ]
    return "; ".join(failing) or "0.00"


def chart_days(days: Iterable[str]) -> list[date]:
    """Every day that a chart of any of the days shows."""
    return sorted({shown for day in days for shown in _days_to(day)})


def _days_to(day: str) -> list[date]:
    last = date.fromisoformat(day)
    return [last - timedelta(days=n) for n in range(CHART_DAYS - 1, -1, -1)]


def _title(pair: Pair) -> str:
    return f"{pair.first.entity} {pair.first.currency}"


def _table(pair: Pair, rows: Sequence[str]) -> str:
    heads = ["", *(f"{s.side} {word}" for s in pair.sides for word in ("count", "amount"))]
    body = [[_named(row), *(cell for s in pair.sides for cell in _cells(s, row))] for row in rows]
    carried = [_figure_cells(s.open_items["closing"], s.currency) for s in pair.sides]
    body.append(["open at the end", *(cell for cells in carried for cell in cells)])
    return markdown.table(heads, body, words=1)


def _named(row: str) -> str:
    name = row.replace("_", " ")
    return f"**{name}**" if row in ("received", "accepted", "unexplained") else name


def _cells(one: Statement, row: str) -> tuple[str, str]:
    return _figure_cells(one.rows[row], one.currency)


def _figure_cells(figure: Figure, currency: str) -> tuple[str, str]:
    return f"{figure.count:,}", text_amount(figure.amount, currency)


def _most_lines_first(pair: Pair) -> int:
    return -sum(side.rows["received"].count for side in pair.sides)


def _has_lines(one: Statement) -> bool:
    """Whether anything came; a statement may be there for its open items alone."""
    return any(figure != Figure() for figure in one.rows.values())


def _is_said(pair: Pair, row: str) -> bool:
    return row not in _QUIET or any(side.rows[row] != Figure() for side in pair.sides)


def _short_breaks(broken: Sequence[Break]) -> str:
    """The largest breaks without their explanation, as many as fit."""
    body = [
        [
            one.break_class,
            markdown.escaped(one.line_id),
            f"{text_amount(one.amount, one.currency)} {one.currency}",
        ]
        for one in largest(broken, _MOST_BREAKS)
    ]
    text = ""
    while body:
        text = markdown.table(["class", "line", "amount"], body, words=2)
        if len(text) <= LONGEST:
            break
        body.pop()
    return text


def _explained(broken: Sequence[Break]) -> str:
    """The largest breaks in sentences; a list, for a table would run out of the page."""
    told = [
        f"- {markdown.escaped(one.explanation)} (`{one.break_class}`)\n"
        for one in largest(broken, _MOST_BREAKS)
    ]
    more = len(broken) - len(told)
    return (
        "".join(told) + (f"- and {more:,} smaller ones\n" if more > 0 else "")
    ) or "No breaks.\n"


def _markdown(text: str) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md(text)
