"""What the page of a statement shows, cut so that Dagster's UI shows it in place.

The UI shows Markdown in place below 1,000 characters and hides longer text behind a click. So each
side of an entity and currency has a short table of its own, and what is long comes last, whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import dagster as dg

from tieout.model import Break, Figure, Statement
from tieout.money import text_amount
from tieout.render import chart, markdown, waterfall, waterfall_chart
from tieout.render.breaks import largest
from tieout.render.layout import (
    Cell,
    Pair,
    Row,
    amount_cell_text,
    count_of,
    count_text,
    pairs,
    rows,
)
from tieout.render.sparkline import LONGEST, small_outcomes
from tieout.waterfall import Waterfall

CHART_DAYS = 31
_MOST_TABLES = 12
_MOST_BREAKS = 10
_MOST_WATERFALLS = 3
"""Waterfalls drawn in a page, those of the most lines; the others are tables."""
_NARROW = 28
"""Characters of a line's id in a list: what stands at the end of a row may be cut off."""
_QUIET = frozenset({"not_in_file", "quarantined", "duplicates", "matched_in_transit", "timing"})
"""Rows left out of the short table where they are nil."""

Metadata = Mapping[str, Any]


def statement_page(
    name: str,
    day: str,
    history: Mapping[str, Sequence[Statement]],
    broken: Sequence[Break],
    waterfalls: Sequence[Waterfall] = (),
    version: str = "",
) -> dict[str, Any]:
    """The page of one day: what it comes to, its statements, waterfalls and breaks, then the whole
    of each.

    `version` says which one it is and what changed since the one before; `history` holds the
    statements of the days the chart shows, by day; `waterfalls` are the day's.
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
        **({"version": version} if version else {}),
        "month so far": _month_so_far(day, history),
        "matched, timing, breaks by day": _markdown(small_outcomes(drawn, days)),
        **{title: _markdown(text) for title, text in _tables(shown[:_MOST_TABLES]).items()},
    }
    if not shown:
        page["statement"] = "nothing came that counts on this day"
    steps = sorted(waterfalls, key=_most_steps_first)
    if steps:
        page["waterfalls, unexplained"] = waterfall.unexplained_text(steps)
    for one in steps[:_MOST_WATERFALLS]:
        page[f"{one.entity} {one.currency} waterfall"] = _markdown(waterfall_chart.small(one))
        page[f"{one.entity} {one.currency} steps"] = _markdown(waterfall.table(one))
    if broken:
        page["breaks by class"] = _markdown(markdown.breaks_by_class(broken))
        page["largest breaks"] = _markdown(_short_breaks(broken))
    title = f"{name}: source lines by day, to {day}"
    page |= {
        "breaks explained": _markdown(_explained(broken)),
        "whole statement": _markdown(markdown.statements(given) or "Nothing came.\n"),
        "chart": _markdown(chart.as_markdown_image(chart.outcomes(drawn, title), title)),
    }
    if steps:
        page["whole waterfalls"] = _markdown(_whole_waterfalls(steps))
    return page


def overview(given: Sequence[Statement]) -> str:
    """Lines of each reconciliation, all entities, currencies and sides together, as a short table.

    Counts only: amounts of several currencies do not add up.
    """
    names = list(dict.fromkeys(one.reconciliation for one in given))
    figures = ("breaks", "unexplained")
    body = [
        [name, *(f"{sum(s.rows[row].count for s in of_name):,}" for row in figures)]
        for name in names
        for of_name in [[s for s in given if s.reconciliation == name]]
    ]
    return markdown.table(["lines", *figures], body, words=1)


def short_table(one: Statement) -> str:
    """Counts and amounts of one side, as a table narrow enough for the column it stands in.

    Amounts have the signs of the whole statement: the column adds up down the page.
    """
    body = [
        [_named(row), count_text(row, cell), amount_cell_text(row, cell, one.currency)]
        for row in rows(Pair((one,)))
        for cell in row.cells
        if row.part == "rows" and (row.name not in _QUIET or cell != Cell(0, Decimal(0)))
    ]
    closing = one.open_items["closing"]
    body.append(
        ["open at the end", f"{closing.count:,}", text_amount(closing.amount, one.currency)]
    )
    return markdown.table(["", "count", "amount"], body, words=1)


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


def _tables(shown: Sequence[Pair]) -> dict[str, str]:
    """A table for each side, by entity, currency and side."""
    return {
        f"{side.entity} {side.currency} {side.side}": short_table(side)
        for pair in shown
        for side in pair.sides
        if _has_lines(side) or side.open_items["closing"] != Figure()
    }


def _named(row: Row) -> str:
    name = row.name.replace("_", " ")
    return f"**{name}**" if row.name in ("received", "accepted", "unexplained") else name


def _month_so_far(day: str, history: Mapping[str, Sequence[Statement]]) -> str:
    """What the days of the month come to, up to this one: a quiet last day hides nothing."""
    days = [d for d in sorted(history) if d[:7] == day[:7] and d <= day]
    given = [one for d in days for one in history[d]]
    broken = sum(one.rows["breaks"].count for one in given)
    waiting = sum(one.rows["timing"].count for one in given)
    return (
        f"{days[0]} to {days[-1]}: {count_of(broken, 'break')}, "
        f"{count_of(waiting, 'timing item')}, unexplained {unexplained_text(given)}"
    )


def _most_lines_first(pair: Pair) -> int:
    return -sum(side.rows["received"].count for side in pair.sides)


def _most_steps_first(one: Waterfall) -> int:
    return -(one.total("source") + one.total("target")).count


def _whole_waterfalls(given: Sequence[Waterfall]) -> str:
    """Every waterfall as a table; the first ones with their pictures, which take some room."""
    drawn = [
        chart.as_markdown_image(waterfall_chart.chart(one), waterfall.title(one))
        for one in given[:_MOST_WATERFALLS]
    ]
    return "\n\n".join([*drawn, waterfall.tables(given)])


def _has_lines(one: Statement) -> bool:
    """Whether anything came; a statement may be there for its open items alone."""
    return any(figure != Figure() for figure in one.rows.values())


def _short_breaks(broken: Sequence[Break]) -> str:
    """The largest breaks without their explanation, as many as fit."""
    body = [
        [
            f"{text_amount(one.amount, one.currency)} {one.currency}",
            one.break_class,
            markdown.escaped(_cut(one.line_id)),
        ]
        for one in largest(broken, _MOST_BREAKS)
    ]
    text = ""
    while body:
        text = markdown.table(["amount", "class", "line"], body, words=2, figures=1)
        if len(text) <= LONGEST:
            break
        body.pop()
    return text


def _cut(line_id: str) -> str:
    return line_id if len(line_id) <= _NARROW else f"{line_id[: _NARROW - 1]}…"


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
