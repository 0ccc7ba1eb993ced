"""When extracts of a feed are expected, and by when they must be there.

Days are of the window, in UTC; a cut-off is a time of day in a zone of its own, so that it stays
where people put it when clocks change.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, StringConstraints, model_validator

from tieout.periods import window_day, window_end
from tieout.rules import Part

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_WEEK: tuple[Weekday, ...] = (
    *("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
)
_DAYS: Mapping[str, tuple[Weekday, ...]] = {"every_day": _WEEK, "business_days": _WEEK[:5]}


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"no time zone {name!r}; use an IANA name such as Europe/Berlin") from None
    return name


def _known_holidays(code: str) -> str:
    import holidays

    country, _, subdivision = code.partition("-")
    known = holidays.list_supported_countries(include_aliases=True)
    if country not in known:
        raise ValueError(f"no holidays of {country!r} are known; use an ISO code such as US")
    if subdivision and subdivision not in known[country]:
        names = ", ".join(known[country]) or "it has none"
        raise ValueError(f"no holidays of {subdivision!r} in {country} are known; {names}")
    return code


Zone = Annotated[str, AfterValidator(_known_zone)]
TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Holidays = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Z]{2,3}(-[A-Z0-9]{1,6})?$"),
    AfterValidator(_known_holidays),
]


class Timetable(Part):
    """The days an extract is expected for, and the time by which it must be there."""

    days: Literal["every_day", "business_days"] | tuple[Weekday, ...] = "every_day"
    """`every_day`, `business_days` (Monday to Friday), or a list of days of the week."""
    holidays: Holidays | None = None
    """On these days nothing is expected: a country (US) or a part of one (DE-BY)."""
    arrives_by: TimeOfDay | None = None
    """A time of day (06:00): an extract is late from the first such time on after the end of its
    window. In place of arrives_within_hours."""
    zone: Zone = "UTC"
    """The time zone of arrives_by, by its IANA name."""

    @model_validator(mode="after")
    def _some_day(self) -> Timetable:
        if not self.days:
            raise ValueError("name at least one day of the week")
        if self.zone != "UTC" and self.arrives_by is None:
            raise ValueError("a zone is that of arrives_by; name a time, or leave the zone out")
        return self

    def why_not(self, window: str) -> str | None:
        """Why nothing is expected for a window, in words; None where an extract is expected."""
        day = window_day(window)
        weekday = _WEEK[day.weekday()]
        days = _DAYS[self.days] if isinstance(self.days, str) else self.days
        if weekday not in days:
            return f"{day} is a {weekday.capitalize()}"
        # Not by name: the library takes its language from the environment.
        off = self.holidays is not None and day in _calendar(self.holidays)
        return f"{day} is a holiday in {self.holidays}" if off else None

    def due(self, window: str, within: timedelta) -> datetime:
        """Until when an extract may arrive: the cut-off, else a time after the window's end."""
        end = window_end(window)
        if self.arrives_by is None:
            return end + within
        zone, at = ZoneInfo(self.zone), time.fromisoformat(self.arrives_by)
        day = end.astimezone(zone).date()
        # A day later the time of day has passed the end of the window, whatever the zone.
        cut_offs = (_moment(day + timedelta(days=n), at, zone) for n in range(3))
        return next(moment for moment in cut_offs if moment >= end)


def shown_in(zone: str, moment: datetime) -> str:
    """A moment to the minute as people of a zone read it, with the zone's abbreviation."""
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M %Z}"


def _moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    """A local time as a moment; one that clocks skip is taken by the clock of before."""
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)


@lru_cache(maxsize=64)
def _calendar(code: str) -> Mapping[date, str]:
    import holidays

    country, _, subdivision = code.partition("-")
    return holidays.country_holidays(country, subdiv=subdivision or None)
