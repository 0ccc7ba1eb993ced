"""What databases answered, taken in as extracts: one for each window of a SQL feed.

A window is asked for once it is over, and asked again on every run: a posting dated back changes
the answer, and another answer is the next version of the extract.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from tieout.errors import ExtractError
from tieout.formats.catalogue import format_of
from tieout.periods import window_day, window_end, windows_between
from tieout.register.records import TakenExtract
from tieout.settings import Settings
from tieout.sqlfeed import SqlFeed, UnreachableError
from tieout.workplace import Workplace

_MOST_TOLD = 5


def take_answers(
    workplace: Workplace,
    feed: str,
    windows: Sequence[str] | None,
    *,
    progress: Callable[[int, int], None] | None = None,
    now: datetime | None = None,
) -> None:
    """Ask for windows of a SQL feed (None: all since the calendar's start) and record the answers.

    Raises ExtractError naming the windows that failed, after the others have been taken in;
    ConfigurationError for a query or a driver of no use.
    """
    settings = workplace.settings
    wanted = due(settings, feed, windows, now or datetime.now(UTC))
    problems: list[ExtractError] = []
    query = format_of(settings, feed).query
    with SqlFeed(feed, settings.feeds[feed], query, settings.base) as source:
        for number, window in enumerate(wanted, 1):
            try:
                _take(workplace, source, window)
            except UnreachableError as problem:
                problems.append(problem)
                break  # the others would each wait for the same silence
            except ExtractError as problem:
                problems.append(problem)
            if progress is not None:
                progress(number, len(wanted))
    if problems:
        told = [str(p) for p in problems[:_MOST_TOLD]]
        more = len(problems) - len(told)
        raise ExtractError("; ".join(told) + (f"; and {more} more windows" if more else ""))


def due(settings: Settings, feed: str, windows: Sequence[str] | None, now: datetime) -> list[str]:
    """The windows that may be asked for: since the calendar's start, and over by now. Sorted."""
    every, start = settings.feeds[feed].every, settings.calendar.start
    keys = windows_between(start, now.date(), every) if windows is None else windows
    return sorted({w for w in keys if window_day(w) >= start and window_end(w) <= now})


def _take(workplace: Workplace, source: SqlFeed, window: str) -> None:
    most = workplace.settings.limits.extract_mb << 20
    with workplace.store.evidence(".parquet") as incoming:
        source.fetch(window, incoming.file, most=most)
    sha256, size, evidence = incoming.kept
    workplace.register.record_extract(
        TakenExtract(
            feed=source.name,
            window=window,
            name=f"{source.name}.parquet",
            sha256=sha256,
            bytes=size,
            evidence=evidence,
            taken_at=datetime.now(UTC),
        )
    )
