"""Which closed windows have been worked, so that the schedules miss none and repeat none.

A window is worked when a run went over it after it had ended and settled. It is worked for good
when nothing is awaited for it any more: an extract was there, or is late, or none is expected. The
register knows; what runs an orchestrator remembers does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from tieout.periods import Every, window_day, window_end, window_key, windows_between
from tieout.settings import Settings
from tieout.workplace import Workplace

REPORT = "report/completeness"
"""The table of days over which the whole chain has run, to the report."""
LENGTH: Mapping[Every, timedelta] = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
_AWAITED, _FOR_GOOD = 1, 2
_SINCE = "schedules.since"
_A_WEEK = timedelta(days=7)


def mark_lines(
    workplace: Workplace, feed: str, there: Mapping[str, bool], *, run_id: str, now: datetime
) -> None:
    """Remember windows of a feed that a run went over at `now`, and which of them had an extract.

    Those that have not settled by then are left out: they will be worked again.
    """
    about = workplace.settings.feeds[feed]

    def state(window: str) -> int:
        awaited = about.expects(window) and not there[window] and not about.is_overdue(window, now)
        return _AWAITED if awaited else _FOR_GOOD

    settled = {window: state(window) for window in there if about.settled(window, now)}
    _mark(workplace, f"lines/{feed}", settled, run_id)


def mark_days(workplace: Workplace, days: Iterable[str], *, run_id: str, now: datetime) -> None:
    """Remember the days that a run took through the whole chain at `now`."""
    wait = timedelta(hours=settle_hours(workplace.settings))
    settled = {day: _FOR_GOOD for day in days if window_end(day) + wait <= now}
    _mark(workplace, REPORT, settled, run_id)


def settle_hours(settings: Settings) -> int:
    """How long after its end a day is worked: a day waits for the slowest of its feeds."""
    return max(feed.settle_hours for feed in settings.feeds.values())


def waiting(
    workplace: Workplace, table: str, closed: str, every: Every, *, now: datetime
) -> list[str]:
    """Windows of a table (`lines/<feed>` or REPORT) up to the closed one that wait to be worked.

    The first call begins with the closed one, or after the newest window that was worked in the
    week before it: what lies before is for a backfill. From then on no window is left out, however
    long nobody asks. A call for a time long past (a schedule tried out) begins nothing.
    """
    known = {
        window: state for (_, window), state in workplace.register.consumed(_by(table)).items()
    }
    first = workplace.register.notes(_SINCE).get(table, {}).get("window")
    if first is None or first > closed:
        recent = window_key(window_end(closed) - _A_WEEK, every)
        newest = max((window for window in known if recent <= window < closed), default=None)
        first = closed if newest is None else window_key(window_end(newest), every)
        if now - window_end(closed) < _A_WEEK:
            workplace.register.note(_SINCE, table, {"window": first})
    start = max(window_day(first), workplace.settings.calendar.start)
    windows = windows_between(start, window_day(closed), every)
    return [w for w in windows if first <= w <= closed and known.get(w) != _FOR_GOOD]


def ranges(windows: Iterable[str], every: Every) -> list[tuple[str, str]]:
    """Windows as ranges without gaps, first and last of each, in order."""
    found: list[tuple[str, str]] = []
    for window in sorted(windows):
        if found and window_key(window_end(found[-1][1]), every) == window:
            found[-1] = found[-1][0], window
        else:
            found.append((window, window))
    return found


def without_extract(workplace: Workplace, feed: str, windows: list[str]) -> list[str]:
    """Windows that should have an extract of a feed, and have none."""
    about = workplace.settings.feeds[feed]
    there = {extract.window for extract in workplace.register.extracts(feed, windows)}
    return [window for window in windows if window not in there and about.expects(window)]


def _mark(workplace: Workplace, table: str, states: Mapping[str, int], run_id: str) -> None:
    workplace.register.publish(
        [],
        {},
        run_id=run_id,
        consumer=_by(table),
        consumed={(table, window): state for window, state in states.items()},
    )


def _by(table: str) -> str:
    return f"worked.{table}"
