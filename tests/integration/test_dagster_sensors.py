"""Sensors ticked by hand: the days they ask for, once for each change, and again after failures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.tags import RUN_KEY_TAG

from assets.resources import WorkplaceResource
from pipelines.asked import MOST_ATTEMPTS
from pipelines.definitions import build_definitions
from pipelines.sensors import ON_EVENTS, ON_EXTRACTS
from tests.webhook_company import charge, company, event, put, receive
from tieout.events.deadletters import waiting
from tieout.events.model import Problem
from tieout.workplace import Workplace

DAY = date(2026, 10, 5)
START = "dagster/asset_partition_range_start"


class Ticks:
    """A sensor ticked by hand, its cursor kept as the daemon keeps it."""

    def __init__(self, config: Path, home: Path) -> None:
        self.resource = WorkplaceResource(config=str(config), home=str(home))
        self.definitions = build_definitions(self.resource)
        self.instance = dg.DagsterInstance.ephemeral()
        self.cursors: dict[str, str | None] = {}

    def tick(self, name: str) -> dict[str, str]:
        """Run keys asked for -> the day."""
        sensor = self.definitions.resolve_sensor_def(name)
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursors.get(name),
            repository_def=self.definitions.get_repository_def(),
        ) as context:
            told = sensor.evaluate_tick(context)
        self.cursors[name] = told.cursor
        return {str(r.run_key): r.tags[START] for r in told.run_requests or ()}

    def ran(self, key: str, status: dg.DagsterRunStatus) -> None:
        """Note what became of the run of a key."""
        run = self.instance.create_run_for_job(_nothing, tags={RUN_KEY_TAG: key}, status=status)
        assert run.status is status


@dg.job
def _nothing() -> None:
    """A job whose runs stand for those of others."""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return company(tmp_path / "company")


@pytest.fixture
def ticks(config: Path, tmp_path: Path) -> Ticks:
    return Ticks(config, tmp_path / "home")


@pytest.fixture
def workplace(config: Path, tmp_path: Path) -> Iterator[Workplace]:
    with Workplace.open(config, tmp_path / "home") as opened:
        yield opened


def test_many_events_of_few_days_are_one_run_a_day(ticks: Ticks, workplace: Workplace) -> None:
    days = [DAY + timedelta(days=n) for n in range(3)]
    receive(workplace.register, [event(f"e{n}", days[n % 3], ref=f"p{n}") for n in range(90)])
    asked = ticks.tick(ON_EVENTS)
    assert sorted(asked.values()) == [str(day) for day in days]
    for key in asked:
        ticks.ran(key, dg.DagsterRunStatus.SUCCESS)
    assert ticks.tick(ON_EVENTS) == {}
    receive(workplace.register, [event("later", days[1], ref="p-later")])
    again = ticks.tick(ON_EVENTS)
    assert list(again.values()) == [str(days[1])]
    assert not {*again} & {*asked}
    assert json.loads(ticks.cursors[ON_EVENTS] or "")["sequence"] == 91


def test_the_same_change_asks_by_the_same_key_whatever_the_cursor(
    ticks: Ticks, workplace: Workplace
) -> None:
    receive(workplace.register, [event("e1", DAY), event("e2", DAY, ref="p2")])
    asked = ticks.tick(ON_EVENTS)
    # The daemon was killed after the run was launched, before the cursor was written.
    ticks.cursors.clear()
    assert ticks.tick(ON_EVENTS) == asked
    (key,) = asked
    ticks.ran(key, dg.DagsterRunStatus.STARTED)
    assert ticks.tick(ON_EVENTS) == {}
    ticks.cursors.clear()
    assert ticks.tick(ON_EVENTS) == {}


def test_a_failed_run_is_asked_for_again_and_not_for_ever(
    ticks: Ticks, workplace: Workplace
) -> None:
    receive(workplace.register, [event("e1", DAY)])
    keys = []
    for _ in range(MOST_ATTEMPTS):
        (key,) = ticks.tick(ON_EVENTS)
        keys.append(key)
        ticks.ran(key, dg.DagsterRunStatus.FAILURE)
    assert len(set(keys)) == MOST_ATTEMPTS
    assert ticks.tick(ON_EVENTS) == {}
    receive(workplace.register, [event("e2", DAY, ref="p2")])
    assert len(ticks.tick(ON_EVENTS)) == 1


def test_events_no_day_is_there_for_are_set_aside_and_hold_up_no_other(
    ticks: Ticks, workplace: Workplace
) -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(days=2)
    receive(
        workplace.register,
        [event("early", date(2026, 9, 30)), event("far", tomorrow), event("good", DAY)],
    )
    assert list(ticks.tick(ON_EVENTS).values()) == [str(DAY)]
    assert sorted(workplace.register.notes("events.aside")) == ["1", "2"]


def test_what_a_person_replays_is_worked_again(ticks: Ticks, workplace: Workplace) -> None:
    dead = Problem("business", "unknown_account", "it names no account", "name one")
    receive(workplace.register, [event("e1", DAY, state="dead", problem=dead)])
    for key in ticks.tick(ON_EVENTS):
        ticks.ran(key, dg.DagsterRunStatus.SUCCESS)
    job = ticks.definitions.resolve_job_def("replay_dead_letters")
    done = job.execute_in_process(
        run_config={"ops": {"replay": {"config": {"code": "unknown_account", "reason": "fixed"}}}}
    )
    assert done.success
    # Its body says nothing of when it happened: still dead, by a problem of today.
    (one,) = waiting(workplace.register)
    assert one.problem is not None
    assert list(ticks.tick(ON_EVENTS).values()) == [str(DAY)]


def test_new_and_changed_files_of_any_day_are_worked(
    ticks: Ticks, config: Path, workplace: Workplace
) -> None:
    put(config, f"card/{DAY}.csv", [charge("p1", "10.00", DAY)])
    # What lay there before anybody looked is for a backfill.
    assert ticks.tick(ON_EXTRACTS) == {}
    past = DAY - timedelta(days=3)
    put(config, f"card/{past}.csv", [charge("p0", "1.00", past)])
    put(config, f"bills/{past}.csv", [{"line": 1, "invoice": "I", "billed": 1, "day": past}])
    put(config, f"card/{DAY}.csv", [charge("p1", "10.50", DAY), charge("p2", "1.00", DAY)])
    asked = ticks.tick(ON_EXTRACTS)
    assert sorted(asked.values()) == [str(past), str(DAY)]
    for key in asked:
        ticks.ran(key, dg.DagsterRunStatus.SUCCESS)
    assert ticks.tick(ON_EXTRACTS) == {}
    assert ticks.tick(ON_EXTRACTS) == {}
    (config.parent / f"card/{DAY}.csv.manifest.json").write_text('{"rows": 2}')
    assert list(ticks.tick(ON_EXTRACTS).values()) == [str(DAY)]


def test_the_alarms_start_no_run(ticks: Ticks, workplace: Workplace) -> None:
    receive(workplace.register, [event("e1", DAY)])
    for name in ("dead_letters", "sla_breaches"):
        assert ticks.tick(name) == {}


def test_the_switch_starts_them(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def statuses() -> set[Any]:
        made = Ticks(config, tmp_path / "home").definitions
        names = (ON_EVENTS, ON_EXTRACTS, "dead_letters", "sla_breaches")
        return {made.resolve_sensor_def(name).default_status.value for name in names}

    monkeypatch.delenv("TIEOUT_SCHEDULES", raising=False)
    assert statuses() == {"STOPPED"}
    monkeypatch.setenv("TIEOUT_SCHEDULES", "on")
    assert statuses() == {"RUNNING"}


def test_an_inbox_taken_in_by_the_hour_has_its_hours_worked_first(
    config: Path, tmp_path: Path
) -> None:
    text = config.read_text()
    text = text.replace("format: numbered_events\n", "format: numbered_events\n    every: hour\n")
    config.write_text(text)
    ticks = Ticks(config, tmp_path / "home")
    with Workplace.open(config, tmp_path / "home") as workplace:
        receive(workplace.register, [event(f"e{n}", DAY, ref=f"p{n}", minute=n) for n in (1, 130)])
    (hours,) = (asked := ticks.tick(ON_EVENTS))
    assert asked[hours] == "2026-10-05-00:00"
    assert ticks.tick(ON_EVENTS) == asked
    ticks.ran(hours, dg.DagsterRunStatus.SUCCESS)
    (day,) = (asked := ticks.tick(ON_EVENTS))
    assert asked == {day: "2026-10-05"}
    ticks.ran(day, dg.DagsterRunStatus.SUCCESS)
    assert ticks.tick(ON_EVENTS) == {}
