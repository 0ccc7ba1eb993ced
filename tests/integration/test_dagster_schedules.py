"""Schedules over a simulated calendar: every window that closes is worked once, whatever happens.

The ticks are evaluated by Dagster's own test context at the times of the cron expressions. A run
that a tick asks for is done at once, as the assets would: they mark the windows as worked. What
must have been worked is counted off a calendar, with nothing of the program.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice, takewhile
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest
from dagster._utils.schedules import cron_string_iterator

from pipelines.definitions import build_definitions, workplace_from_environment
from pipelines.schedules import look_at_hours, range_tags
from tests.small_company import SmallCompany, payments_of, small_company
from tieout.extracts import take_in
from tieout.worked import mark_days, mark_lines, waiting
from tieout.workplace import Workplace

HOURLY, DAILY, MONTHLY = (
    f"{job}_schedule" for job in ("hourly_refresh", "daily_reconcile", "month_end")
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallCompany:
    made = small_company(tmp_path / "company")
    text = made.config.read_text(encoding="utf-8")
    made.config.write_text(text.replace("start: 2026-10-01", "start: 2028-01-01"), "utf-8")
    monkeypatch.setenv("TIEOUT_CONFIG", str(made.config))
    monkeypatch.setenv("TIEOUT_HOME", str(made.home))
    return made


class Clock:
    """Ticks as they come, and runs that end at once."""

    def __init__(self, workplace: Workplace) -> None:
        self.workplace = workplace
        found = build_definitions(workplace_from_environment(), settings=workplace.settings)
        self.schedules = {
            name: found.resolve_schedule_def(name) for name in (HOURLY, DAILY, MONTHLY)
        }
        self.hours: Counter[str] = Counter()
        self.days: Counter[str] = Counter()
        self.months: list[tuple[datetime, str, str]] = []
        self.there = True

    def ticks(self, begin: str, end: str) -> Iterator[tuple[datetime, str]]:
        """Every tick from a moment to another, in order."""
        found = []
        for name, schedule in self.schedules.items():
            assert isinstance(schedule.cron_schedule, str)
            coming = cron_string_iterator(at(begin).timestamp(), schedule.cron_schedule, "UTC")
            found += [(t, name) for t in takewhile(lambda t: t <= at(end), islice(coming, 1000))]
        return iter(sorted(found))

    def ask(self, name: str, moment: datetime) -> list[tuple[str, str]]:
        """What a tick asks for, first and last window of each run."""
        context = dg.build_schedule_context(scheduled_execution_time=moment)
        found = self.schedules[name].evaluate_tick(context).run_requests or []
        return [
            (
                one.tags["dagster/asset_partition_range_start"],
                one.tags["dagster/asset_partition_range_end"],
            )
            for one in found
        ]

    def run(self, begin: str, end: str) -> None:
        """Evaluate the ticks and do what they ask for."""
        for moment, name in self.ticks(begin, end):
            for first, last in self.ask(name, moment):
                if name == MONTHLY:
                    self.months.append((moment, first, last))
                else:
                    self._work(moment, first, last)

    def _work(self, now: datetime, first: str, last: str) -> None:
        hourly = len(first) > 10
        step = timedelta(hours=1) if hourly else timedelta(days=1)
        form = "%Y-%m-%d-%H:00" if hourly else "%Y-%m-%d"
        moment, end = (datetime.strptime(w, form).replace(tzinfo=UTC) for w in (first, last))
        windows = []
        while moment <= end:
            windows.append(moment.strftime(form))
            moment += step
        (self.hours if hourly else self.days).update(windows)
        feeds = ("kiosk",) if hourly else ("card", "erp")
        for feed in feeds:
            there = dict.fromkeys(windows, self.there)
            mark_lines(self.workplace, feed, there, run_id="run", now=now)
        if not hourly:
            mark_days(self.workplace, windows, run_id="run", now=now)


@pytest.fixture
def clock(company: SmallCompany) -> Iterator[Clock]:
    with Workplace.open(company.config, company.home) as workplace:
        yield Clock(workplace)


def hours_of(first: str, last: str) -> list[str]:
    """Every hour from one to another, counted off."""
    found, moment = [], at(first)
    while moment <= at(last):
        found.append(f"{moment:%Y-%m-%d-%H}:00")
        moment += timedelta(hours=1)
    return found


def test_every_window_of_a_year_with_all_its_oddities_is_worked_once(clock: Clock) -> None:
    """A leap day, month ends, both changes of the clocks in both continents, and downtimes: of five
    days, of weeks, and of an hour."""
    clock.run("2028-02-27T00:00", "2028-03-02T05:00")
    clock.run("2028-03-12T00:30", "2028-03-13T02:00")  # after ten days; clocks change in America
    clock.run("2028-03-18T02:00", "2028-03-18T04:00")  # after five days
    clock.run("2028-03-25T22:00", "2028-03-26T09:00")  # clocks change in Europe
    clock.run("2028-03-26T11:30", "2028-03-26T13:00")
    clock.run("2028-03-31T20:00", "2028-04-01T05:00")
    clock.run("2028-10-29T00:00", "2028-10-29T04:00")  # after half a year
    assert set(clock.hours.values()) == {1}
    assert sorted(clock.hours) == hours_of("2028-02-26T23:00", "2028-10-29T02:00")
    assert "2028-02-29-23:00" in clock.hours
    assert set(clock.days.values()) == {1}
    first, last = date(2028, 2, 26), date(2028, 10, 28)
    assert sorted(clock.days) == [
        str(first + timedelta(days=n)) for n in range((last - first).days + 1)
    ]
    assert {"2028-02-29", "2028-03-31", "2028-04-30"} <= clock.days.keys()


def test_the_last_day_of_a_month_is_worked_on_the_first_and_then_the_month_once_more(
    clock: Clock, company: SmallCompany
) -> None:
    clock.run("2028-02-27T00:00", "2028-03-01T02:30")
    assert "2028-02-29" in clock.days
    for day in range(1, 30):
        if day not in (11, 20):
            company.settle(f"2028-02-{day:02d}", payments_of(date(2028, 2, day), 1))
        company.close_books([date(2028, 2, day)])
    for feed in ("card", "erp"):
        take_in(clock.workplace, feed, None)
    clock.run("2028-03-01T02:31", "2028-03-01T23:00")
    assert clock.months == [(at("2028-03-01T04:00"), "2028-02-11", "2028-02-29")]
    clock.months.clear()
    for day in (11, 20):
        company.settle(f"2028-02-{day:02d}", payments_of(date(2028, 2, day), 1))
    take_in(clock.workplace, "card", None)
    assert clock.ask(MONTHLY, at("2028-03-01T04:00")) == [("2028-02-29", "2028-02-29")]


def test_before_the_first_tick_nothing_is_caught_up_with(clock: Clock) -> None:
    assert clock.ask(HOURLY, at("2028-05-01T10:10")) == [("2028-05-01-09:00", "2028-05-01-09:00")]
    # The run that was asked for failed: what the first tick began with is still there.
    assert clock.ask(HOURLY, at("2028-05-01T12:10")) == [("2028-05-01-09:00", "2028-05-01-11:00")]


@pytest.mark.parametrize(
    ("worked", "first"), [("2028-04-27", "2028-04-28"), ("2028-01-15", "2028-04-30")]
)
def test_a_schedule_goes_on_from_what_a_person_worked_in_the_week_before(
    clock: Clock, worked: str, first: str
) -> None:
    """An old day that was backfilled does not have it catch up with all since."""
    now = at("2028-05-01T00:00")
    mark_days(clock.workplace, [worked], run_id="r", now=now)
    for feed in ("card", "erp"):
        mark_lines(clock.workplace, feed, {worked: True}, run_id="r", now=now)
    assert clock.ask(DAILY, at("2028-05-01T02:30")) == [(first, "2028-04-30")]


def test_what_may_still_arrive_is_asked_for_until_it_is_late(clock: Clock) -> None:
    clock.there = False
    clock.run("2028-05-01T00:10", "2028-05-03T00:10")
    # Extracts of the kiosk may come for 24 hours: an hour is worked until then, and once more.
    assert clock.hours["2028-05-01-00:00"] == 25
    assert clock.ask(HOURLY, at("2028-05-03T00:10"))[0][0] == "2028-05-02-00:00"
    clock.hours.clear()
    clock.there = True
    clock.run("2028-05-03T00:11", "2028-05-04T10:10")
    assert clock.hours.total() == 24 + 34, "those that were awaited, and every new one, once"


def test_a_window_whose_run_failed_is_asked_for_again_beside_the_new_one(clock: Clock) -> None:
    clock.run("2028-05-01T00:10", "2028-05-01T05:10")
    assert clock.ask(HOURLY, at("2028-05-01T06:10")) == [("2028-05-01-05:00", "2028-05-01-05:00")]
    clock._work(at("2028-05-01T07:10"), "2028-05-01-06:00", "2028-05-01-06:00")
    # Two pieces, and what lies between is not worked again.
    assert clock.ask(HOURLY, at("2028-05-01T08:10")) == [
        ("2028-05-01-05:00", "2028-05-01-05:00"),
        ("2028-05-01-07:00", "2028-05-01-07:00"),
    ]


def test_a_feed_is_worked_when_it_has_settled(company: SmallCompany) -> None:
    text = company.config.read_text(encoding="utf-8")
    company.config.write_text(
        text.replace("every: hour}", "every: hour, settle_hours: 3}").replace(
            "entity: SC}", "entity: SC, settle_hours: 30}"
        ),
        "utf-8",
    )
    with Workplace.open(company.config, company.home) as workplace:
        clock = Clock(workplace)
        crons = {name: schedule.cron_schedule for name, schedule in clock.schedules.items()}
        assert crons == {HOURLY: "10 * * * *", DAILY: "30 6 * * *", MONTHLY: "0 8 2 * *"}
        clock.run("2028-02-28T00:00", "2028-03-03T09:00")
        assert set(clock.hours.values()) == {1}
        assert sorted(clock.hours) == hours_of("2028-02-27T20:00", "2028-03-03T04:00")
        assert clock.days == dict.fromkeys(
            ("2028-02-26", "2028-02-27", "2028-02-28", "2028-02-29", "2028-03-01"), 1
        )
        assert clock.months == [(at("2028-03-02T08:00"), "2028-02-01", "2028-02-29")]
        # A run that is too early for the feed does not count as having worked its window.
        there = {"2028-03-03-06:00": True}
        mark_lines(workplace, "kiosk", there, run_id="r", now=at("2028-03-03T07:30"))
        assert clock.ask(HOURLY, at("2028-03-03T10:10"))[-1][1] == "2028-03-03-06:00"


def test_a_schedule_tried_out_for_a_time_long_past_begins_nothing(clock: Clock) -> None:
    register = clock.workplace.register
    past = at("2028-03-01T00:00")
    assert waiting(clock.workplace, "lines/kiosk", "2028-01-05-09:00", "hour", now=past) == [
        "2028-01-05-09:00"
    ]
    assert register.notes("schedules.since") == {}


def test_hours_that_a_run_is_working_on_are_not_asked_for_again(clock: Clock) -> None:
    """Nor are those of a run whose worker was lost, which is started again by itself."""
    clock.run("2028-05-01T00:10", "2028-05-01T05:10")

    def asked(status: dg.DagsterRunStatus, more: dict[str, str], last: str) -> list[str]:
        tags = {"dagster/schedule_name": HOURLY, **range_tags("2028-05-01-05:00", last), **more}
        run = dg.DagsterRun(
            job_name="hourly_refresh", run_id=str(uuid4()), tags=tags, status=status
        )
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_run(run)
            found = look_at_hours(clock.workplace, instance, at("2028-05-01T08:10"))
        return [one.run_key or "" for one in found]

    late = ["2028-05-01-07:00..2028-05-01-07:00/kiosk"]
    all_ = ["2028-05-01-05:00..2028-05-01-07:00/kiosk"]
    again = {"dagster/will_retry": "true"}
    status = dg.DagsterRunStatus
    assert asked(status.STARTED, {}, "2028-05-01-06:00") == late
    assert asked(status.STARTING, {}, "2028-05-01-07:00") == []
    assert asked(status.FAILURE, again, "2028-05-01-06:00") == late
    assert asked(status.FAILURE, {**again, "dagster/auto_retry_run_id": "x"}, late[0][:16]) == all_
    assert asked(status.FAILURE, {}, "2028-05-01-06:00") == all_
    assert asked(status.STARTED, {"dagster/schedule_name": "other"}, "2028-05-01-06:00") == all_
