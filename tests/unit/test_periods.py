"""Periods and windows: every moment in exactly one window, every name read back as itself."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.errors import TieoutError
from tieout.periods import (
    Every,
    Period,
    month_of,
    parse_period,
    window_day,
    window_end,
    window_key,
    window_start,
    windows_between,
)

DAYS = st.dates(min_value=date(1970, 1, 1), max_value=date(2261, 12, 31))
EVERY = st.sampled_from(["hour", "day"])
ZONES = st.integers(-12 * 4, 14 * 4).map(lambda q: timezone(timedelta(minutes=15 * q)))
MOMENTS = st.datetimes(
    min_value=datetime(1970, 1, 2), max_value=datetime(2261, 12, 30), timezones=ZONES
)


@given(MOMENTS, EVERY)
def test_a_moment_lies_in_the_window_it_names(moment: datetime, every: Every) -> None:
    key = window_key(moment, every)
    assert window_start(key) <= moment < window_end(key)
    assert window_end(key) - window_start(key) == timedelta(hours=1 if every == "hour" else 24)
    assert window_key(window_start(key), every) == key
    assert window_key(window_end(key), every) != key
    assert window_day(key) == moment.astimezone(UTC).date()


@given(MOMENTS, EVERY)
def test_the_zone_a_moment_is_written_in_does_not_matter(moment: datetime, every: Every) -> None:
    in_utc = moment.astimezone(UTC)
    assert window_key(moment, every) == window_key(in_utc, every)
    assert window_key(in_utc.replace(tzinfo=None), every) == window_key(in_utc, every)


@given(DAYS, st.integers(0, 40), EVERY)
def test_windows_cover_the_days_without_gap_or_overlap(
    first: date, length: int, every: Every
) -> None:
    last = min(first + timedelta(days=length), date(2261, 12, 31))
    keys = windows_between(first, last, every)
    assert keys == sorted(set(keys))
    assert window_start(keys[0]) == datetime(first.year, first.month, first.day, tzinfo=UTC)
    assert window_end(keys[-1]).date() == last + timedelta(days=1)
    ends = [window_end(key) for key in keys[:-1]]
    assert ends == [window_start(key) for key in keys[1:]]


def test_no_windows_where_the_last_day_comes_first() -> None:
    assert windows_between(date(2026, 10, 2), date(2026, 10, 1), "hour") == []


def test_keys_are_dagsters_own() -> None:
    moment = datetime(2026, 10, 5, 13, 59, 59, 999999, tzinfo=UTC)
    assert window_key(moment, "day") == "2026-10-05"
    assert window_key(moment, "hour") == "2026-10-05-13:00"
    assert window_key(date(2026, 10, 5), "hour") == "2026-10-05-00:00"


@pytest.mark.parametrize(
    "key",
    ["", "2026-10", "2026-10-5", "2026-1-05", "2026-02-30", "2026-10-05-24:00", "2026-10-05-1:00"]
    + ["2026-10-05-13:30", "2026-10-05-13", "2026-10-05\n", " 2026-10-05", "0001-01-01"]
    + ["9999-12-31", "٢٠٢٦-10-05", "../2026-10-05"],
)
def test_what_is_no_window_is_refused(key: str) -> None:
    for reader in (window_start, window_end, window_day):
        with pytest.raises(TieoutError, match="names no window"):
            reader(key)


@given(DAYS)
def test_periods_read_back_as_themselves(day: date) -> None:
    one_day, month = parse_period(day.isoformat()), parse_period(day.isoformat()[:7])
    assert str(one_day) == day.isoformat()
    assert str(month) == day.isoformat()[:7]
    assert one_day.days() == [day]
    assert not one_day.is_month
    assert month == month_of(day)
    assert month.is_month
    assert day in month.days()
    assert len(month.days()) == monthrange(day.year, day.month)[1]
    assert {d.month for d in month.days()} == {day.month}


@given(st.lists(DAYS, min_size=2, max_size=2, unique=True))
def test_months_come_one_after_the_other(days: list[date]) -> None:
    one, other = sorted(map(month_of, days))
    assert one == other or one.last < other.first
    following = one.last + timedelta(days=1)
    assert following.day == 1


@pytest.mark.parametrize(
    "text",
    ["", "2026", "2026-13", "2026-00", "2026-02-29", "2026-10-32", "2026-10-", "26-10", "2026/10"]
    + ["2026-10\n", "2026-10-15T00", "9999-12", "0000-01", "october", "2026-1"],
)
def test_what_is_no_period_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(TieoutError, match="2026-10-15"):
        parse_period(text)


@given(DAYS, st.integers(1, 400))
def test_a_span_is_named_by_its_days_unless_it_is_a_month(first: date, length: int) -> None:
    span = Period(first, min(first + timedelta(days=length), date(2261, 12, 31)))
    month = month_of(first)
    if (span.first, span.last) == (month.first, month.last):
        assert str(span) == str(month)
    elif span.first != span.last:
        assert not span.is_month
        assert str(span) == f"{span.first}..{span.last}"


def test_a_leap_day_is_a_period() -> None:
    assert parse_period("2028-02").last == date(2028, 2, 29)
    assert parse_period("2028-02-29") == Period(date(2028, 2, 29), date(2028, 2, 29))
