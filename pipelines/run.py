"""Runs over a range of days from the command line: the very assets and checks of production, in one
process, recorded in Dagster's own history under the home folder, where `tieout dev` shows them.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

import dagster as dg
from dagster._core.events import DagsterEventType as EventType
from dagster._core.instance.ref import InstanceRef

from assets.metadata import NOTES, STATUS
from assets.resources import WorkplaceResource
from pipelines.definitions import build_definitions
from pipelines.home import dagster_home
from pipelines.jobs import (
    A_DAY,
    BACKFILL,
    HOURLY,
    MAX_RUNTIME,
    feeds_every,
    intake_keys,
    reconcile_keys,
)
from pipelines.schedules import range_tags
from pipelines.turns import own_turn
from tieout.config import load
from tieout.errors import RequestError
from tieout.periods import windows_between
from tieout.settings import Settings
from tieout.stale import feeds_of

Progress = Callable[[str, int, int], None]
"""Called with what is being worked on, steps done and steps in all."""

_EVENTS_AT_ONCE = "DAGSTER_EVENT_BATCH_SIZE"
_ENDED = {EventType.STEP_SUCCESS, EventType.STEP_FAILURE, EventType.STEP_SKIPPED}
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Failures are in the outcome, in words; the console belongs to the caller."""


@dataclass(frozen=True, slots=True)
class FailedStep:
    """A step that failed, by the asset it works on, and why."""

    asset: str
    message: str


@dataclass(frozen=True, slots=True)
class FailedCheck:
    """A check that failed in one partition; `severity` is ERROR, or WARN where breaks wait."""

    asset: str
    check: str
    partition: str
    severity: str
    description: str


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What became of a run over a range.

    `success` says that every step ran; failed checks are listed apart, for a break is no failure of
    the run. `materialized` counts partitions by asset; `run_ids` are Dagster's.
    """

    success: bool
    failed: tuple[FailedStep, ...]
    materialized: dict[str, int]
    failed_checks: tuple[FailedCheck, ...]
    seconds: float
    run_ids: tuple[str, ...]
    checks: int = 0
    notes: tuple[str, ...] = ()
    """What is new in the extracts worked: columns nobody knew, lines that a new version lacks."""


@dataclass
class _Stage:
    """One Dagster run: a job, the assets of it that take part, and the partitions."""

    job: str
    assets: Sequence[dg.AssetKey]
    first: str
    last: str


@dataclass
class _Tally:
    """What the events of all stages say."""

    failed: list[FailedStep] = field(default_factory=list)
    failed_checks: list[FailedCheck] = field(default_factory=list)
    materialized: Counter[str] = field(default_factory=Counter)
    run_ids: list[str] = field(default_factory=list)
    checks: int = 0
    notes: list[str] = field(default_factory=list)


def run_range(
    config: Path,
    home: Path,
    first: date,
    last: date,
    *,
    reconciliation: str | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> RunOutcome:
    """Take in, reconcile and state every day from first to last, both included.

    While another run of the home folder is at work, it waits, which it tells with `say`.

    Feeds are taken in first, hourly ones in a run of their own; a feed that fails stops neither the
    others nor the reconciliations, which work with what is published. With `reconciliation`, only
    it, the links it chains and their feeds take part. Raises TieoutError for a range outside the
    calendar, for an unknown reconciliation and when the other run does not end, ConfigurationError
    for the configuration.
    """
    settings = load(config)
    _assert_in_calendar(settings, first, last)
    chosen = _chosen(settings, reconciliation)
    resource = WorkplaceResource(config=str(config.absolute()), home=str(home.absolute()))
    tally = _Tally()
    with own_turn(home, say):
        # The hours there are, and the time this run takes, count from its own turn.
        started = time.monotonic()
        stages = _stages(settings, first, last, chosen)
        definitions = build_definitions(resource, settings=settings)
        watch = _Watch(progress, stages)
        with _instance(home) as instance:
            for stage in stages:
                _run(definitions, instance, stage, watch, tally)
    return RunOutcome(
        success=not tally.failed,
        failed=tuple(tally.failed),
        materialized=dict(sorted(tally.materialized.items())),
        failed_checks=tuple(tally.failed_checks),
        seconds=time.monotonic() - started,
        run_ids=tuple(tally.run_ids),
        checks=tally.checks,
        notes=tuple(tally.notes),
    )


def _assert_in_calendar(settings: Settings, first: date, last: date) -> None:
    start, today = settings.calendar.start, datetime.now(UTC).date()
    if not start <= first <= last <= today:
        raise RequestError(
            f"cannot run from {first} to {last}",
            f"name days in order, from the calendar's start ({start}) to today ({today}, UTC)",
        )


def _chosen(settings: Settings, reconciliation: str | None) -> list[str]:
    """The reconciliations to run: all, or one after the links it chains."""
    if reconciliation is None:
        return list(settings.reconciliations)
    if reconciliation not in settings.reconciliations:
        known = ", ".join(settings.reconciliations)
        raise RequestError(f"no reconciliation {reconciliation!r}", f"reconciliations are {known}")
    return [*(settings.reconciliations[reconciliation].chain or ()), reconciliation]


def _stages(settings: Settings, first: date, last: date, chosen: Sequence[str]) -> list[_Stage]:
    needed = {feed for name in chosen for feed in feeds_of(settings, name)}
    if len(chosen) == len(settings.reconciliations):
        needed = set(settings.feeds)
    hours = [feed for feed in feeds_every(settings, "hour") if feed in needed]
    days = [feed for feed in feeds_every(settings, "day") if feed in needed]
    ends = str(first), str(last)
    stages = [_Stage(BACKFILL, reconcile_keys(settings, chosen), *ends)]
    if days:
        stages.insert(0, _Stage(BACKFILL, intake_keys(days), *ends))
    if hours:
        windows = windows_between(first, last, "hour")
        known = [w for w in windows if w <= f"{datetime.now(UTC):%Y-%m-%d-%H:00}"]
        stages.insert(0, _Stage(HOURLY, intake_keys(hours), known[0], known[-1]))
    return stages


@contextmanager
def _instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster's history under the home folder, for this process."""
    folder = dagster_home(home)
    before = {name: os.environ.get(name) for name in ("DAGSTER_HOME", _EVENTS_AT_ONCE)}
    os.environ |= {"DAGSTER_HOME": str(folder), _EVENTS_AT_ONCE: "1000"}
    # Steps must not take the console away from the caller's progress bar.
    no_capture = {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    }
    try:
        reference = InstanceRef.from_dir(str(folder), overrides={"compute_logs": no_capture})
        with dg.DagsterInstance.from_ref(reference) as instance:
            yield instance
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class _Watch:
    """Tells the caller which asset is being worked on, and how many steps are done."""

    def __init__(self, progress: Progress | None, stages: Sequence[_Stage]) -> None:
        self._progress = progress
        self._done = 0
        # A step for each asset, and one for the checks of each that has any.
        keys = [key for stage in stages for key in stage.assets]
        self._steps = sum(1 if key.path[0] in ("report", "live") else 2 for key in keys)

    def __call__(self, entry: dg.EventLogEntry) -> None:
        """Take note of an event."""
        if self._progress is None or entry.dagster_event is None:
            return
        if entry.dagster_event.event_type in _ENDED:
            self._done += 1
        elif entry.dagster_event.event_type is not EventType.STEP_START:
            return
        self._progress(_asset_of(entry.step_key or ""), self._done, self._steps)


def _run(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    stage: _Stage,
    watch: _Watch,
    tally: _Tally,
) -> None:
    run_id = str(uuid4())
    instance.add_event_listener(run_id, watch)
    result = definitions.resolve_job_def(stage.job).execute_in_process(
        run_config=_QUIET,
        instance=instance,
        asset_selection=stage.assets,
        run_id=run_id,
        tags={**range_tags(stage.first, stage.last), MAX_RUNTIME: A_DAY},
        raise_on_error=False,
    )
    tally.run_ids.append(run_id)
    for event in result.all_events:
        _count(event, tally)


def _count(event: dg.DagsterEvent, tally: _Tally) -> None:
    if event.event_type is EventType.ASSET_MATERIALIZATION:
        assert event.asset_key is not None
        asset = event.asset_key.to_user_string()
        tally.materialized[asset] += 1
        tally.notes += _notes(asset, event)
    elif event.event_type is EventType.ASSET_CHECK_EVALUATION:
        tally.checks += 1
        found = event.asset_check_evaluation_data
        if not found.passed:
            asset = found.asset_key.to_user_string()
            about = asset, found.check_name, found.partition or "", found.severity.value
            tally.failed_checks.append(FailedCheck(*about, found.description or ""))
    elif event.event_type is EventType.STEP_FAILURE:
        tally.failed.append(FailedStep(_asset_of(event.step_key or ""), _why(event)))


def _notes(asset: str, event: dg.DagsterEvent) -> Iterator[str]:
    """The notes of a partition that was worked anew; of one left as it was they are known."""
    found = event.step_materialization_data.materialization
    about = {name: value.value for name, value in found.metadata.items() if name in (NOTES, STATUS)}
    if about.get(STATUS) == "published":
        for line in str(about.get(NOTES, "")).splitlines():
            yield f"{asset} {found.partition}: {line}"


def _why(event: dg.DagsterEvent) -> str:
    """The reason in the step's own words, else the innermost error."""
    failure = event.step_failure_data
    if failure.user_failure_data is not None and failure.user_failure_data.description:
        return failure.user_failure_data.description
    error = failure.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error is not None else event.message or "failed"


def _asset_of(step: str) -> str:
    """The asset a step works on: `lines__adyen__checks` works on lines/adyen."""
    return step.removesuffix("__checks").replace("__", "/")
