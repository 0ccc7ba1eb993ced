"""When extracts are expected and due, held to a calendar on paper and to a clock that counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from checks.lines import _Feed
from tests.inbox import Inbox, inbox, ledger, posting
from tieout.breaks import breaks
from tieout.config import load
from tieout.errors import ConfigurationError
from tieout.model import Watermark
from tieout.periods import parse_period, window_end
from tieout.render.layout import _watermark
from tieout.statement import statements
from tieout.statement_inputs import delivered_through
from tieout.timetable import Timetable, shown_in

# The week of Thanksgiving 2026 in the United States: Thursday the 26th.
MONDAY, THANKSGIVING, FRIDAY, SATURDAY = "2026-11-23", "2026-11-26", "2026-11-27", "2026-11-28"
BANK = (
    '{format: ledger_csv, location: "bank/{date}.csv", entity: NL, arrives_within_hours: 12, '
    "expected: {days: business_days, holidays: US}}"
)
BOOKS = '{format: ledger_csv, location: "books/{date}.csv", entity: NL}'


@pytest.mark.parametrize(
    ("timetable", "window", "told"),
    [
        ({}, SATURDAY, None),
        ({"days": "business_days"}, FRIDAY, None),
        ({"days": "business_days"}, SATURDAY, "2026-11-28 is a Saturday"),
        ({"days": "business_days"}, "2026-11-28-13:00", "2026-11-28 is a Saturday"),
        ({"days": ["monday", "saturday"]}, SATURDAY, None),
        ({"days": ["monday", "saturday"]}, FRIDAY, "2026-11-27 is a Friday"),
        ({"holidays": "US"}, THANKSGIVING, "is a holiday in US"),
        ({"holidays": "US-CA"}, FRIDAY, "is a holiday in US-CA"),  # a day off in California
        ({"holidays": "US"}, FRIDAY, None),
        ({"holidays": "DE-BY"}, "2026-06-04", "is a holiday in DE-BY"),
        ({"holidays": "DE"}, "2026-06-04", None),
        ({"holidays": "GB", "days": "business_days"}, "2028-02-29", None),
    ],
)
def test_an_extract_is_expected_on_the_days_of_the_timetable(
    timetable: dict[str, Any], window: str, told: str | None
) -> None:
    found = Timetable.model_validate(timetable).why_not(window)
    assert (found is None) == (told is None), found
    assert told is None or told in (found or "")


@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Kiritimati"]
)
@pytest.mark.parametrize(
    "window",
    ["2026-10-24", "2026-10-25", "2026-03-08", "2026-11-01", "2028-02-29", "2026-10-05-13:00"],
)
def test_a_cut_off_is_the_first_such_time_after_the_window(zone: str, window: str) -> None:
    """Minutes are counted one by one, on the clock of the zone."""
    told = Timetable(arrives_by="06:05", zone=zone).due(window, timedelta(0))
    moment = window_end(window)
    while f"{moment.astimezone(ZoneInfo(zone)):%H:%M}" != "06:05":
        moment += timedelta(minutes=1)
    assert told == moment
    assert told.utcoffset() == timedelta(0)


def test_a_time_that_clocks_skip_is_still_a_cut_off() -> None:
    # 02:30 is no time of 2026-03-29 in Berlin: by the clock of before it is 01:30 UTC.
    due = Timetable(arrives_by="02:30", zone="Europe/Berlin").due("2026-03-28", timedelta(0))
    assert due == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("expected: {days: []}", "at least one day"),
        ("expected: {holidays: XX}", "no holidays of 'XX'"),
        ("expected: {holidays: US-ZZ}", "no holidays of 'ZZ' in US"),
        ('expected: {arrives_by: "06:00", zone: Mars/Olympus}', "no time zone 'Mars/Olympus'"),
        ("expected: {zone: Europe/Berlin}", "a zone is that of arrives_by"),
        ('arrives_within_hours: 3, expected: {arrives_by: "06:00"}', "name one"),
    ],
)
def test_a_wrong_timetable_is_told_with_its_line(tmp_path: Path, wrong: str, told: str) -> None:
    feed = f'{{format: ledger_csv, location: "a/{{date}}.csv", {wrong}}}'
    refused = pytest.raises(ConfigurationError, match=r"tieout\.yaml:\d+: ")
    with refused as raised, inbox(tmp_path, {"bank": feed}):
        pass
    assert told in str(raised.value)


def test_files_without_a_window_have_no_timetable(tmp_path: Path) -> None:
    feed = '{format: ledger_csv, location: "a/*.csv", expected: {days: business_days}}'
    refused = pytest.raises(ConfigurationError, match="not expected for any day")
    with refused, inbox(tmp_path, {"bank": feed}):
        pass


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Inbox]:
    """A bank that sends on business days, and books that are sent every day."""
    more = (
        "  bank_to_books:\n    source: {feeds: [bank]}\n    target: {feeds: [books]}\n"
        "    passes: [{name: p, shape: one_to_one, key: {source: [line_id], target: [line_id]}}]\n"
    )
    with inbox(tmp_path, {"bank": BANK, "books": BOOKS}, start="2026-11-16", more=more) as opened:
        yield opened


def arrive(box: Inbox, feed: str, *days: str) -> None:
    for day in days:
        number = int(day[-2:])
        box.put(f"{feed}/{day}.csv", ledger(posting(number, posting_date=day)))
        box.read(feed, [day])


def passed(box: Inbox, feed: str, *windows: str) -> dict[str, bool]:
    found = _Feed(feed, "ledger").arrival(box.workplace, list(windows))
    return {window: finding.passed for window, finding in found.items()}


# The Wednesday before, whose extract is long due wherever these tests run.
LAST_WEEK = [f"2026-11-{day}" for day in (16, 17, 18, 19, 20, 21, 22)]


def test_a_backfill_of_another_day_does_not_turn_the_arrival_check_green(box: Inbox) -> None:
    arrive(box, "bank", "2026-11-16")
    box.read("bank", LAST_WEEK)
    before = passed(box, "bank", *LAST_WEEK)
    assert before == {day: day in ("2026-11-16", *LAST_WEEK[5:]) for day in LAST_WEEK}
    arrive(box, "bank", "2026-11-18")  # the newest delivery of all
    arrive(box, "bank", "2026-11-16")
    assert passed(box, "bank", *LAST_WEEK) == {**before, "2026-11-18": True}
    arrive(box, "bank", "2026-11-17")
    assert passed(box, "bank", *LAST_WEEK) == {**before, "2026-11-18": True, "2026-11-17": True}


def test_nothing_is_missing_where_nothing_is_expected(box: Inbox) -> None:
    box.read("bank", LAST_WEEK)
    missing = {
        one.line_id.split("@")[1][:10]: one.explanation
        for one in breaks(box.workplace, "bank_to_books", parse_period("2026-11"))
    }
    assert sorted(missing) == LAST_WEEK[:5], "the weekend is neither missing nor late"
    [told] = box.refresh("bank", [LAST_WEEK[5]])
    assert told.deliveries == []


def test_a_missing_extract_says_how_late_it_is_by_what_is_known(box: Inbox) -> None:
    box.read("bank", ["2026-11-17"])

    def told() -> str:
        [one] = breaks(box.workplace, "bank_to_books", parse_period("2026-11-17"))
        return one.explanation

    # Due at 12:00 of the day after. Nothing is known of any day yet: its age is not told.
    assert told().endswith("delivered for 2026-11-17; it was due 2026-11-18 12:00 UTC.")
    arrive(box, "books", "2026-11-17")
    assert told().endswith("it was due 2026-11-18 12:00 UTC."), "by then it was not late yet"
    arrive(box, "books", "2026-11-18")
    assert told().endswith("2026-11-18 12:00 UTC, 12 hours before the end of 2026-11-18.")
    arrive(box, "books", "2026-11-21")
    assert told().endswith("2026-11-18 12:00 UTC, 3 days before the end of 2026-11-21.")


def test_days_on_which_nothing_is_expected_do_not_hold_a_statement_up(box: Inbox) -> None:
    def through() -> tuple[str, str]:
        ends = delivered_through(box.workplace, "bank_to_books")
        return str(ends.source), str(ends.target)

    arrive(box, "bank", "2026-11-19")
    arrive(box, "books", "2026-11-19")
    assert through() == ("2026-11-19", "2026-11-19")
    arrive(box, "books", "2026-11-22")
    # Friday's extract of the bank is not there: what came for Thursday reaches no further.
    assert through() == ("2026-11-19", "2026-11-22")
    arrive(box, "bank", "2026-11-20")
    assert through() == ("2026-11-22", "2026-11-22"), "over the weekend, as far as the books go"
    arrive(box, "books", "2026-11-21")
    assert through() == ("2026-11-22", "2026-11-22"), "whatever came last"


def test_the_statement_of_a_day_off_has_no_delivery_break(box: Inbox) -> None:
    arrive(box, "books", "2026-11-21")
    box.read("bank", ["2026-11-20", "2026-11-21"])
    days = [parse_period(day) for day in ("2026-11-20", "2026-11-21")]
    found = [
        {name for one in statements(box.workplace, "bank_to_books", day) for name in one.delivery}
        for day in days
    ]
    assert found == [{"missing_extract"}, set()]


def test_the_time_zone_of_reports_is_a_known_one(tmp_path: Path) -> None:
    with inbox(tmp_path, {"bank": BANK}) as opened:
        config = opened.folder / "tieout.yaml"
        config.write_text(config.read_text() + "timezone: Europe/Berlin\n")
        assert load(config).timezone == "Europe/Berlin"
        config.write_text(config.read_text().replace("Europe/Berlin", "Europe/Atlantis"))
        with pytest.raises(ConfigurationError, match="no time zone 'Europe/Atlantis'"):
            load(config)


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        ("2026-10-25T00:30:00+00:00", "2026-10-25 02:30 CEST"),
        ("2026-10-25T01:30:00+00:00", "2026-10-25 02:30 CET"),  # the hour that comes twice
        ("2026-12-31T23:30:00+00:00", "2027-01-01 00:30 CET"),
    ],
)
def test_moments_are_shown_in_the_zone_and_kept_in_utc(moment: str, shown: str) -> None:
    at = datetime.fromisoformat(moment)
    assert shown_in("Europe/Berlin", at) == shown
    mark = Watermark("card_events", 1, at.astimezone(ZoneInfo("Europe/Berlin")), 0, ())
    assert mark.as_json()["last_event"] == moment, "statements stay in UTC"
    said = _watermark(mark)
    assert f"the last at {shown[:16]}:00 {shown[17:]};" in said


def test_the_arrival_check_shows_the_cut_off_in_the_zone_of_reports(tmp_path: Path) -> None:
    cut_off = 'expected: {arrives_by: "06:00", zone: America/New_York}'
    feed = f'{{format: ledger_csv, location: "bank/{{date}}.csv", entity: NL, {cut_off}}}'
    with inbox(tmp_path, {"bank": feed}, more="timezone: Europe/Berlin\n") as opened:
        found = _Feed("bank", "ledger").arrival(opened.workplace, ["2026-10-05"])["2026-10-05"]
    assert found.description == "no extract is there, and it was due 2026-10-06 12:00 CEST"
