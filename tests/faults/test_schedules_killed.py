"""The real daemon between a schedule's ticks and worked windows, killed and started again; and runs
that hang, which its run monitoring ends.

A minute of the machine's clock is an hour of the schedule. All else is production's: the tick, the
queue, the runs, the register. Takes minutes, so it runs with `make faults` only; TIEOUT_FAULTS is
the number of kills, 25 at most.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.home import dagster_home
from tests.dagster_processes import Servers, servers, until
from tests.small_company import SmallCompany, payments_of, small_company
from tieout.workplace import Workplace

pytestmark = [pytest.mark.faults, pytest.mark.timeout(7200)]

KILLS = min(25, int(os.environ.get("TIEOUT_FAULTS", "3")))
ROOT = Path(__file__).resolve().parents[2]
START = datetime(2026, 10, 1, tzinfo=UTC)
CLOCKED = """
import os
from datetime import UTC, datetime, timedelta

import dagster as dg

import pipelines.definitions as production
from pipelines.jobs import HOURLY
from pipelines.schedules import look_at_hours

BEGAN = datetime.fromisoformat(os.environ["TEST_BEGAN"])
START = datetime.fromisoformat(os.environ["TEST_START"])
LAST = datetime.fromisoformat(os.environ["TEST_LAST"])

def clocked(settings, resource):
    @dg.schedule(
        name=f"{HOURLY}_schedule", job_name=HOURLY, cron_schedule="* * * * *",
        execution_timezone="UTC", default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def tick(context):
        passed = (context.scheduled_execution_time.astimezone(UTC) - BEGAN) // timedelta(minutes=1)
        moment = min(START + timedelta(hours=max(1, passed), minutes=10), LAST)
        with resource.create_resource() as workplace:
            return look_at_hours(workplace, context.instance, moment) or dg.SkipReason("nothing")
    return [tick]

production.schedules = clocked
defs = production.build_definitions(production.workplace_from_environment())
"""
HANGING = """
import time

import dagster as dg

@dg.op
def hang():
    time.sleep(600)

@dg.job(tags={"dagster/max_runtime": "5"}, executor_def=dg.in_process_executor)
def hanging():
    hang()

defs = dg.Definitions(jobs=[hanging])
"""


def ask_runs(at: Servers) -> list[dict[str, Any]]:
    query = """
      { runsOrError(limit: 1000) { ... on Runs { results { runId status tags { key value } } } } }
    """
    found = at.ask(query)["runsOrError"]["results"]
    return [{**one, "tags": {t["key"]: t["value"] for t in one["tags"]}} for one in found]


def covered(run: dict[str, Any]) -> list[str]:
    """The hours of a run's range, counted off."""
    ends = [run["tags"][f"dagster/asset_partition_range_{end}"] for end in ("start", "end")]
    moment, last = (datetime.strptime(e, "%Y-%m-%d-%H:00").replace(tzinfo=UTC) for e in ends)
    hours = []
    while moment <= last:
        hours.append(f"{moment:%Y-%m-%d-%H}:00")
        moment += timedelta(hours=1)
    return hours


def test_a_daemon_killed_again_and_again_works_every_hour_once(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    company = small_company(tmp_path / "company")
    minutes = 3 + KILLS // 3
    hours = [START + timedelta(hours=n) for n in range(minutes)]
    windows = [f"{hour:%Y-%m-%d-%H}:00" for hour in hours]
    for hour in hours:
        day = date(hour.year, hour.month, hour.day)
        company.settle(f"{hour:%Y-%m-%dT%H}", payments_of(day, 2, hour.hour), "kiosk")
    (company.folder / "clocked.py").write_text(CLOCKED, encoding="utf-8")
    _look_often(company)
    more = {
        "TEST_BEGAN": datetime.now(UTC).isoformat(),
        "TEST_START": START.isoformat(),
        "TEST_LAST": (hours[-1] + timedelta(hours=1, minutes=10)).isoformat(),
        "PYTHONPATH": str(ROOT),
    }
    with (
        Workplace.open(company.config, company.home) as workplace,
        servers(company, more=more, location="clocked") as at,
    ):
        register = workplace.register
        register.note("schedules.since", "lines/kiosk", {"window": windows[0]})
        assert at.daemon is not None
        for _ in range(KILLS):
            time.sleep(draw.uniform(4, 25))  # the moment of the kill is what is drawn
            at.daemon.kill()
            at.daemon.start()

        def marked() -> bool:
            states = register.consumed("worked.lines/kiosk")
            return {window for (_, window), state in states.items() if state == 2} == set(windows)

        until(marked, 60 * minutes + 300, "every hour to be worked")
        ended = ("SUCCESS", "FAILURE", "CANCELED")
        until(lambda: all(run["status"] in ended for run in ask_runs(at)), 300, "the runs to end")
        runs = ask_runs(at)
        heads = register.heads("lines/kiosk")
    assert {window: head.version for window, head in heads.items()} == dict.fromkeys(windows, 1)
    done = Counter(h for run in runs if run["status"] == "SUCCESS" for h in covered(run))
    print(f"{KILLS} kills, {len(runs)} runs, {len(windows)} hours, each published once")
    assert not {window: times for window, times in done.items() if times > 1}
    asked = Counter(
        h for run in runs if "dagster/parent_run_id" not in run["tags"] for h in covered(run)
    )
    assert set(asked) == set(windows)


def test_a_run_that_hangs_is_ended_at_its_longest(tmp_path: Path) -> None:
    company = small_company(tmp_path / "company")
    (company.folder / "hanging.py").write_text(HANGING, encoding="utf-8")
    _look_often(company)
    with servers(company, more={"PYTHONPATH": str(ROOT)}, location="hanging") as at:
        launched = at.ask(
            """
            mutation ($params: ExecutionParams!) {
              launchRun(executionParams: $params) {
                __typename
                ... on LaunchRunSuccess { run { runId } }
              }
            }
            """,
            {
                "params": {
                    "selector": {
                        "repositoryName": "__repository__",
                        "repositoryLocationName": "hanging",
                        "jobName": "hanging",
                    }
                }
            },
        )["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run = launched["run"]["runId"]

        def status() -> str:
            return next(one["status"] for one in ask_runs(at) if one["runId"] == run)

        until(lambda: status() == "STARTED", 60, "the run to begin")
        began = time.monotonic()
        until(lambda: status() in ("FAILURE", "CANCELED"), 120, "run monitoring to end it")
        print(f"ended {time.monotonic() - began:.0f} s after it began; it would have hung for 600")


def _look_often(company: SmallCompany) -> None:
    """The instance's settings as they are shipped, but for how often runs are looked at."""
    path = dagster_home(company.home) / "dagster.yaml"
    text = path.read_text(encoding="utf-8")
    assert "poll_interval_seconds: 30" in text
    path.write_text(text.replace("poll_interval_seconds: 30", "poll_interval_seconds: 3"), "utf-8")
