"""The day of the latest line of a file: the window of an extract whose name states none."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from tieout.errors import ExtractError
from tieout.formats.binding import bind
from tieout.formats.catalogue import format_of
from tieout.formats.parsing import type_cells
from tieout.formats.readers import read_extract
from tieout.formats.reading import Request
from tieout.lines.feedrun import converter_of, dialect_of
from tieout.lines.models import calendar_range
from tieout.settings import Settings


def latest_day(settings: Settings, feed: str, path: Path, name: str) -> date:
    """The latest period of the rows that can be read, within the calendar.

    Raises ExtractError when the file cannot be read or no row has a date.
    """
    layout = format_of(settings, feed)
    converter = converter_of(settings, feed, layout)
    request = Request(layout, settings.feeds[feed].options, settings.limits)
    first, last = calendar_range(settings.calendar.start)
    days: list[date] = []
    for piece in read_extract(path, name, request):
        if piece.batch is None:
            continue
        bound = bind(layout, piece.table.headers, request.options, name)
        dialect = dialect_of(layout, request.options, iso_dates=piece.table.iso_dates)
        typed = type_cells(bound.select(piece.batch.frame, 0), layout, dialect)
        period = converter.plan.rows(typed.rows, converter.around)["row.period"]
        latest = period.filter(period.is_between(first, last)).max()
        if isinstance(latest, date):
            days.append(latest)
    if not days:
        raise ExtractError(
            "no row of it has a date, so its window cannot be told",
            f"put {{date}} in feeds.{feed}.location and the day in the file's name",
            name,
        )
    return max(days)
