"""When jobs run: each tick names the window that has closed, never the one under way.

Where extracts of earlier windows are still awaited, a tick begins with the oldest of them, so that
what arrives late is worked in without a person. It looks back as far as the feeds' arrival times.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from assets.resources import WorkplaceResource
from pipelines.jobs import DAILY, HOURLY, feeds_every
from tieout.periods import Every, window_key, window_start
from tieout.settings import Settings
from tieout.workplace import Workplace

SWITCH = "TIEOUT_SCHEDULES"
"""Environment variable: `on` starts both schedules; otherwise they wait to be switched on."""
_LENGTH: Mapping[str, timedelta] = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
_MOST_BACK = 31
"""Windows a tick looks back at most, whatever the feeds allow."""


def schedules(settings: Settings, resource: WorkplaceResource) -> list[dg.ScheduleDefinition]:
    """The schedules of both jobs, in UTC; without hourly feeds there is no hourly one."""
    made = [_schedule(DAILY, "30 2 * * *", "day", settings, resource)]
    if feeds_every(settings, "hour"):
        made.insert(0, _schedule(HOURLY, "10 * * * *", "hour", settings, resource))
    return made


def range_tags(first: str, last: str) -> dict[str, str]:
    """Tags of a run over all partitions from the first to the last."""
    return {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}


def closed_window(moment: datetime, every: Every) -> str:
    """The last window that had ended at a moment."""
    return window_key(moment.astimezone(UTC) - _LENGTH[every], every)


def first_awaited(workplace: Workplace, closed: str, every: Every) -> str:
    """The oldest window up to the closed one for which a feed may still deliver and has not."""
    first = closed
    for name in feeds_every(workplace.settings, every):
        windows = _may_arrive(workplace.settings, name, closed, every)
        known = {extract.window for extract in workplace.register.extracts(name, windows)}
        first = min([first, *(window for window in windows if window not in known)])
    return first


def _may_arrive(settings: Settings, feed: str, closed: str, every: Every) -> list[str]:
    """Windows up to the closed one in which an extract of the feed is not late yet, or just is."""
    within = timedelta(hours=settings.feeds[feed].arrives_within_hours)
    back = min(-(-within // _LENGTH[every]), _MOST_BACK)
    last = window_start(closed)
    windows = [last - n * _LENGTH[every] for n in range(back + 1)]
    return [window_key(w, every) for w in windows if w.date() >= settings.calendar.start]


def _schedule(
    job: str, cron: str, every: Every, settings: Settings, resource: WorkplaceResource
) -> dg.ScheduleDefinition:
    on = os.environ.get(SWITCH, "").lower() == "on"

    @dg.schedule(
        name=f"{job}_schedule",
        job_name=job,
        cron_schedule=cron,
        execution_timezone="UTC",
        description=f"The last whole {every}, and those before it that are still awaited.",
        default_status=dg.DefaultScheduleStatus.RUNNING if on else dg.DefaultScheduleStatus.STOPPED,
    )
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        closed = closed_window(context.scheduled_execution_time, every)
        if window_start(closed).date() < settings.calendar.start:
            return dg.SkipReason(f"{closed} lies before the calendar's start")
        with resource.create_resource() as workplace:
            first = first_awaited(workplace, closed, every)
        return dg.RunRequest(run_key=f"{first}..{closed}", tags=range_tags(first, closed))

    return tick
