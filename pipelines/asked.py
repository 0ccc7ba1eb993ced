"""Days that a sensor wants worked, remembered in its cursor until a run has done so.

A run is asked for by a key made of the day, of what changed, and of an attempt: the same change
asks once, whatever becomes of the process that asked; a later change asks again; and a run that
failed is asked for again, a few times.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import dagster as dg
from dagster._core.storage.tags import RUN_KEY_TAG

from pipelines.jobs import HOURLY, intake_keys
from pipelines.schedules import TURN, range_tags

MOST_ATTEMPTS = 3
MOST_RUNS = 20
"""Runs asked for, and days looked after, in one tick; the others wait for the next."""
_LONGEST = 32
_FAILED = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


@dataclass(frozen=True, slots=True)
class Wish:
    """A day to be worked because of `mark`; first the hours of hourly feeds, where it has any."""

    day: str
    mark: str
    hours: tuple[str, ...] = ()
    feeds: tuple[str, ...] = ()
    hours_done: bool = False
    attempt: int = 0

    @property
    def stage(self) -> str:
        """What is asked for next: hours or day."""
        return "hours" if self.hours and not self.hours_done else "day"

    def key(self, sensor: str) -> str:
        """The run's key."""
        mark = self.mark
        if len(mark) > _LONGEST:
            mark = hashlib.sha256(mark.encode()).hexdigest()[:_LONGEST]
        return f"{sensor}/{self.day}/{mark}/{self.stage}/{self.attempt}"


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of looking after the wishes."""

    requests: list[dg.RunRequest]
    wishes: list[Wish]
    done: list[Wish]
    given_up: list[Wish]


def as_json(wishes: Iterable[Wish]) -> list[dict[str, Any]]:
    """Wishes as a cursor keeps them."""
    return [asdict(one) for one in wishes]


def from_json(told: Iterable[dict[str, Any]]) -> list[Wish]:
    """Wishes of a cursor."""

    def read(one: dict[str, Any]) -> Wish:
        return Wish(**{**one, "hours": tuple(one["hours"]), "feeds": tuple(one["feeds"])})

    return [read(one) for one in told]


def merged(known: Iterable[Wish], new: Iterable[Wish]) -> list[Wish]:
    """One wish a day, in order of day: what changed again is worked again, with all its hours."""
    by_day = {one.day: one for one in known}
    for one in new:
        before = by_day.get(one.day)
        if before is None:
            by_day[one.day] = one
        elif before.mark != one.mark:
            by_day[one.day] = replace(
                one,
                hours=tuple(sorted({*before.hours, *one.hours})),
                feeds=tuple(sorted({*before.feeds, *one.feeds})),
            )
    return [by_day[day] for day in sorted(by_day)]


def look_after(
    instance: dg.DagsterInstance, sensor: str, wishes: Sequence[Wish], job: str
) -> Looked:
    """What became of the runs asked for, and those to ask for now."""
    looked = Looked([], [], [], [])
    for number, one in enumerate(wishes):
        if number >= MOST_RUNS:
            looked.wishes.append(one)
            continue
        wish = _step(_status(instance, one.key(sensor)), one)
        if wish is None:
            looked.done.append(one)
        elif wish.attempt >= MOST_ATTEMPTS:
            looked.given_up.append(wish)
        else:
            looked.wishes.append(wish)
            if wish != one or _status(instance, wish.key(sensor)) is None:
                looked.requests.append(_request(sensor, wish, job))
    return looked


def _step(status: dg.DagsterRunStatus | None, wish: Wish) -> Wish | None:
    """The wish as it stands by what became of its run; None when it is fulfilled."""
    if status is dg.DagsterRunStatus.SUCCESS:
        return replace(wish, hours_done=True, attempt=0) if wish.stage == "hours" else None
    if status in _FAILED:
        return replace(wish, attempt=wish.attempt + 1)
    return wish


def _status(instance: dg.DagsterInstance, key: str) -> dg.DagsterRunStatus | None:
    """The newest run of a key: one whose worker crashed is started again under the same key."""
    runs = instance.get_runs(dg.RunsFilter(tags={RUN_KEY_TAG: key}), limit=1)
    return runs[0].status if runs else None


def _request(sensor: str, wish: Wish, job: str) -> dg.RunRequest:
    if wish.stage == "day":
        tags = range_tags(wish.day, wish.day)
        return dg.RunRequest(run_key=wish.key(sensor), job_name=job, tags={**tags, **TURN})
    return dg.RunRequest(
        run_key=wish.key(sensor),
        job_name=HOURLY,
        tags={**range_tags(min(wish.hours), max(wish.hours)), **TURN},
        asset_selection=intake_keys(wish.feeds),
    )
