"""UTC hours, days and accounting months, and the partition keys that name them.

A window is the hour or day an extract was delivered for; its key is Dagster's own partition key
(`2026-10-05` for a day, `2026-10-05-13:00` for an hour). A period is a day or a month of a
statement (`2026-10-05`, `2026-10`).
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from tieout.errors import TieoutError

Every = Literal["hour", "day"]
DAY_FORMAT = "%Y-%m-%d"
HOUR_FORMAT = "%Y-%m-%d-%H:%M"
FIRST_YEAR, LAST_YEAR = 1970, 2261
"""Years that a 64-bit timestamp holds to the nanosecond; a day outside them is a mistake."""

_WINDOW = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:-([0-9]{2}):00)?")
_PERIOD = re.compile(r"([0-9]{4})-([0-9]{2})(?:-([0-9]{2}))?")


def window_key(moment: datetime | date, every: Every) -> str:
    """The key of the window that holds a moment (a datetime without a zone counts as UTC)."""
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    elif moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return moment.strftime(DAY_FORMAT if every == "day" else "%Y-%m-%d-%H:00")


def window_start(key: str) -> datetime:
    """The first moment of a window, from its key. Raises TieoutError for anything else."""
    found = _WINDOW.fullmatch(key)
    try:
        day = date.fromisoformat(found[1]) if found else None
        if found and day and FIRST_YEAR <= day.year <= LAST_YEAR:
            return datetime(day.year, day.month, day.day, int(found[2] or 0), tzinfo=UTC)
    except ValueError:
        pass
    raise TieoutError(f"{key!r} names no window", "write 2026-10-05 or 2026-10-05-13:00")


def window_day(key: str) -> date:
    """The UTC day a window lies in."""
    return window_start(key).date()


def window_end(key: str) -> datetime:
    """The first moment after a window."""
    length = timedelta(days=1) if len(key) == len("2026-10-05") else timedelta(hours=1)
    return window_start(key) + length


def windows_between(first: date, last: date, every: Every) -> list[str]:
    """Keys of all windows from the first day to the last, both included, in order."""
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    if every == "day":
        return [d.strftime(DAY_FORMAT) for d in days]
    return [f"{d:%Y-%m-%d}-{h:02d}:00" for d in days for h in range(24)]


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A day, an accounting month or any other span; `first` and `last` are both included."""

    first: date
    last: date

    def __str__(self) -> str:
        if self.is_month:
            return self.first.isoformat()[:7]
        if self.first == self.last:
            return self.first.isoformat()
        return f"{self.first.isoformat()}..{self.last.isoformat()}"

    @property
    def is_month(self) -> bool:
        """Whether this is exactly one calendar month."""
        return self == month_of(self.first)

    def days(self) -> list[date]:
        """Every day of the period."""
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]


def parse_period(text: str) -> Period:
    """Read `2026-10` or `2026-10-15`. Raises TieoutError naming what is allowed."""
    found = _PERIOD.fullmatch(text)
    try:
        if found and FIRST_YEAR <= int(found[1]) <= LAST_YEAR:
            day = date(int(found[1]), int(found[2]), int(found[3] or 1))
            return Period(day, day) if found[3] else month_of(day)
    except ValueError:
        pass
    raise TieoutError(f"{text!r} is not a period", "write a month (2026-10) or a day (2026-10-15)")


def month_of(day: date) -> Period:
    """The accounting month (calendar month) of a day."""
    return Period(day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1]))
