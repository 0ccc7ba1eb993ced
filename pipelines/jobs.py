"""What runs together. Every job states how long it may take: a run that hangs is ended and seen.

Hours and days are never in one run, for Dagster runs the partitions of one definition at a time. So
hourly feeds have a job of their own, and a range of hours is backfilled with that one.
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.expectations import KEY as EXPECTATIONS
from assets.expectations import has_expectations
from pipelines.closing import prepare_close
from pipelines.replay import replay_dead_letters
from tieout.settings import Settings
from tieout.stale import feeds_of

HOURLY, DAILY, BACKFILL = "hourly_refresh", "daily_reconcile", "backfill"
EVENTS = "reconcile_events"
AnyJob = UnresolvedAssetJobDefinition | dg.JobDefinition
MAX_RUNTIME = "dagster/max_runtime"
A_DAY = str(24 * 3600)
"""Seconds a run over a long range may take."""


def jobs(settings: Settings) -> list[AnyJob]:
    """The jobs of a configuration; without hourly feeds there is no hourly one, without an inbox
    none of events.
    """
    hours, days = feeds_every(settings, "hour"), feeds_every(settings, "day")
    chain = [*intake_keys(days), *reconcile_keys(settings, list(settings.reconciliations))]
    made: list[AnyJob] = [
        _job(DAILY, chain, 4 * 3600, "Takes the daily feeds in, reconciles, states and reports."),
        _job(
            BACKFILL,
            chain,
            24 * 3600,
            "The same over a range of days in one run. Backfill hourly_refresh first, where there "
            "are hourly feeds.",
        ),
    ]
    made.append(prepare_close)
    if hours:
        about = "Takes the hourly feeds in; a range of hours is one run."
        made.insert(0, _job(HOURLY, intake_keys(hours), 3600, about))
    inboxes = [name for name, feed in settings.feeds.items() if feed.inbox]
    if inboxes:
        about = "Takes the events of a day in, and works what they are held against again."
        made += [_job(EVENTS, _event_keys(settings, inboxes), 3600, about), replay_dead_letters]
    return made


def _event_keys(settings: Settings, inboxes: Sequence[str]) -> list[dg.AssetKey]:
    """What an event changes: its feed, the reconciliations that read it, what it lets expect."""
    reading = [n for n in settings.reconciliations if {*feeds_of(settings, n)} & {*inboxes}]
    daily = [feed for feed in inboxes if settings.feeds[feed].every == "day"]
    keys = [*intake_keys(daily), *reconcile_keys(settings, reading)]
    # The report is of every reconciliation and takes its time: the schedules make it.
    return keys[:-1] or keys


def feeds_every(settings: Settings, every: str) -> list[str]:
    """The feeds that deliver every hour, or every day."""
    return [name for name, feed in settings.feeds.items() if feed.every == every]


def intake_keys(feeds: Sequence[str]) -> list[dg.AssetKey]:
    """The assets that take feeds in: their extracts, then their lines."""
    return [dg.AssetKey([stage, feed]) for stage in ("extracts", "lines") for feed in feeds]


def reconcile_keys(settings: Settings, reconciliations: Sequence[str]) -> list[dg.AssetKey]:
    """The assets that reconcile, state and meet expectations, and the report over them."""
    stages = ("matches", "statements")
    keys = [dg.AssetKey([stage, name]) for stage in stages for name in reconciliations]
    if has_expectations(settings):
        keys.append(dg.AssetKey(EXPECTATIONS))
    return [*keys, dg.AssetKey(["report", "completeness"])]


def _job(
    name: str, keys: Sequence[dg.AssetKey], seconds: int, description: str
) -> UnresolvedAssetJobDefinition:
    return dg.define_asset_job(
        name,
        selection=dg.AssetSelection.assets(*keys),
        description=description,
        # Short chained steps: a process for each would take longer than the work.
        executor_def=dg.in_process_executor,
        tags={MAX_RUNTIME: str(seconds)},
    )
