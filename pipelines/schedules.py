"""When jobs run: each tick names the windows that have closed and wait to be worked, never the one
under way.

Which ones wait, the register says: a tick after any downtime names every window that was missed, in
as few ranges as there are, and one that a run of its own is working on is not named again. What
may still arrive is named until it has come or is late, so that it is worked in without a person.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    AUTO_RETRY_RUN_ID_TAG,
    SCHEDULE_NAME_TAG,
    WILL_RETRY_TAG,
)

from assets.resources import WorkplaceResource, clear_failures
from pipelines.jobs import A_DAY, BACKFILL, DAILY, HOURLY, MAX_RUNTIME, feeds_every, intake_keys
from tieout.periods import Every, Period, month_of, window_day, window_key, windows_between
from tieout.settings import Settings
from tieout.worked import LENGTH, REPORT, ranges, settle_hours, waiting, without_extract
from tieout.workplace import Workplace

SWITCH = "TIEOUT_SCHEDULES"
"""Environment variable: `on` starts the schedules; otherwise they wait to be switched on."""
TURN = {"tieout/turn": "one"}
"""Runs with this tag go one after the other (dagster.yaml): two would take each other's days."""
MONTH_END = "month_end"
_MOST_RANGES = 20
"""Ranges a tick asks for; where windows wait in more pieces, one range covers them all."""
_LONG = 48
"""A range of more windows than this may take a day."""
_UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
"""Not NOT_STARTED: a run in that state is asked for again by the tick that was cut off with it."""

Range = tuple[str, str]
Look = Callable[[Workplace, dg.DagsterInstance | None, datetime], list[dg.RunRequest]]
"""What a tick asks for at a moment; without an instance, no run is under way."""


def schedules(settings: Settings, resource: WorkplaceResource) -> list[dg.ScheduleDefinition]:
    """The schedules of the jobs, in UTC; without hourly feeds there is no hourly one."""
    hours = settle_hours(settings)
    daily, after = max(2, hours), max(4, hours + 2)
    made = [
        _schedule(
            *(f"{DAILY}_schedule", DAILY, f"30 {daily % 24} * * *"),
            "The last whole day, and all before it that wait to be worked.",
            look_at_days,
            resource,
        ),
        _schedule(
            *(f"{MONTH_END}_schedule", BACKFILL, f"0 {after % 24} {1 + after // 24} * *"),
            "The days of the last month that lack an extract once more, and the month's report.",
            look_at_month,
            resource,
        ),
    ]
    if feeds_every(settings, "hour"):
        hourly = _schedule(
            *(f"{HOURLY}_schedule", HOURLY, "10 * * * *"),
            "The last whole hour, and all before it that wait to be worked.",
            look_at_hours,
            resource,
        )
        made.insert(0, hourly)
    return made


def range_tags(first: str, last: str) -> dict[str, str]:
    """Tags of a run over all partitions from the first to the last."""
    return {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}


def closed_window(moment: datetime, every: Every, settle: int = 0) -> str:
    """The last window that had ended `settle` hours before a moment."""
    return window_key(moment.astimezone(UTC) - timedelta(hours=settle) - LENGTH[every], every)


def look_at_hours(
    workplace: Workplace, instance: dg.DagsterInstance | None, moment: datetime
) -> list[dg.RunRequest]:
    """Runs over the hours that wait, feeds with the same ones together."""
    under_way = _under_way(instance, f"{HOURLY}_schedule")
    feeds: defaultdict[Range, list[str]] = defaultdict(list)
    for feed in feeds_every(workplace.settings, "hour"):
        closed = closed_window(moment, "hour", workplace.settings.feeds[feed].settle_hours)
        open_ = waiting(workplace, f"lines/{feed}", closed, "hour", now=datetime.now(UTC))
        key = dg.AssetKey(["lines", feed])
        busy = [ends for ends, keys in under_way if keys is None or key in keys]
        for ends in _few(_free(open_, busy), "hour"):
            feeds[ends].append(feed)
    return [_request(ends, "hour", of) for ends, of in sorted(feeds.items())]


def look_at_days(
    workplace: Workplace, instance: dg.DagsterInstance | None, moment: datetime
) -> list[dg.RunRequest]:
    """Runs over the days that wait, for the report or for a daily feed's lines."""
    settings = workplace.settings
    closed = closed_window(moment, "day", settle_hours(settings))
    tables = [REPORT, *(f"lines/{feed}" for feed in feeds_every(settings, "day"))]
    now = datetime.now(UTC)
    open_ = {day for table in tables for day in waiting(workplace, table, closed, "day", now=now)}
    busy = [ends for ends, _ in _under_way(instance, f"{DAILY}_schedule")]
    return [_request(ends, "day") for ends in _few(_free(open_, busy), "day")]


def look_at_month(
    workplace: Workplace, _instance: dg.DagsterInstance | None, moment: datetime
) -> list[dg.RunRequest]:
    """One run from the month's first day that lacks an extract, at least over its last day."""
    settings = workplace.settings
    month = month_of(window_day(closed_window(moment, "day", settle_hours(settings))))
    days = _days_of(month, settings)
    if not days:
        return []
    feeds = feeds_every(settings, "day")
    lacking = [day for feed in feeds for day in without_extract(workplace, feed, days)]
    return [_request((min([*lacking, days[-1]]), days[-1]), "day")]


def _days_of(month: Period, settings: Settings) -> list[str]:
    days = windows_between(month.first, month.last, "day")
    return [day for day in days if window_day(day) >= settings.calendar.start]


def _under_way(
    instance: dg.DagsterInstance | None, schedule: str
) -> list[tuple[Range, frozenset[dg.AssetKey] | None]]:
    """Ranges that runs of a schedule are at work on, or will be again, and of which assets."""
    if instance is None:
        return []
    mine = {SCHEDULE_NAME_TAG: schedule}
    runs = list(instance.get_runs(dg.RunsFilter(tags=mine, statuses=list(_UNFINISHED))))
    # One whose worker was lost is started again within a minute.
    again = dg.RunsFilter(
        tags={**mine, WILL_RETRY_TAG: "true"},
        statuses=[dg.DagsterRunStatus.FAILURE],
        updated_after=datetime.now(UTC) - timedelta(minutes=10),
    )
    runs += [run for run in instance.get_runs(again) if AUTO_RETRY_RUN_ID_TAG not in run.tags]
    return [
        (
            (run.tags[ASSET_PARTITION_RANGE_START_TAG], run.tags[ASSET_PARTITION_RANGE_END_TAG]),
            frozenset(run.asset_selection) if run.asset_selection else None,
        )
        for run in runs
        if ASSET_PARTITION_RANGE_START_TAG in run.tags
    ]


def _free(windows: Iterable[str], busy: Sequence[Range]) -> list[str]:
    return [w for w in windows if not any(first <= w <= last for first, last in busy)]


def _few(windows: Sequence[str], every: Every) -> list[Range]:
    found = ranges(windows, every)
    return found if len(found) <= _MOST_RANGES else [(found[0][0], found[-1][1])]


def _request(ends: Range, every: Every, feeds: Sequence[str] | None = None) -> dg.RunRequest:
    first, last = ends
    many = len(windows_between(window_day(first), window_day(last), every)) > _LONG
    return dg.RunRequest(
        # Told apart from those of other ticks by Dagster; within one tick, by this.
        run_key=f"{first}..{last}" + (f"/{'.'.join(feeds)}" if feeds else ""),
        tags={**range_tags(first, last), **TURN, **({MAX_RUNTIME: A_DAY} if many else {})},
        asset_selection=None if feeds is None else intake_keys(feeds),
    )


def _schedule(
    name: str, job: str, cron: str, description: str, look: Look, resource: WorkplaceResource
) -> dg.ScheduleDefinition:
    on = os.environ.get(SWITCH, "").lower() == "on"

    @dg.schedule(
        name=name,
        job_name=job,
        cron_schedule=cron,
        execution_timezone="UTC",
        description=description,
        default_status=dg.DefaultScheduleStatus.RUNNING if on else dg.DefaultScheduleStatus.STOPPED,
    )
    def tick(
        context: dg.ScheduleEvaluationContext,
    ) -> list[dg.RunRequest] | dg.SkipReason:
        moment = context.scheduled_execution_time.astimezone(UTC)
        instance = context.instance if context.instance_ref is not None else None
        with resource.create_resource() as workplace, clear_failures():
            asked = look(workplace, instance, moment)
        return asked or dg.SkipReason(f"nothing waits to be worked at {moment:%Y-%m-%d %H:%M} UTC")

    return tick
