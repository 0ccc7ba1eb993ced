"""What starts work between the schedules: events, late extracts; and what tells persons.

A sensor never starts a run an event: events are collapsed to the days they belong to. Its cursor
holds how far it has looked and which days wait for a run; it is written when all of a tick is done,
so that whatever ends a tick early is done again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from assets.resources import WorkplaceResource, clear_failures
from pipelines.asked import Looked, Wish, as_json, from_json, look_after, merged
from pipelines.jobs import DAILY, EVENTS, HOURLY, AnyJob
from pipelines.schedules import SWITCH
from tieout.alerts.notify import notify
from tieout.alerts.settings import AlertKind
from tieout.arrivals import ANY, changed, remember
from tieout.events.affected import affected
from tieout.extracts import locate
from tieout.settings import Settings
from tieout.workplace import Workplace

ON_EVENTS, ON_EXTRACTS = "invoice_and_payment_events", "late_extracts"
EVERY_SECONDS = 15
"""How often events are looked for."""
MOST_EVENTS = 5_000
"""Events a tick looks at; the others wait for the next."""
_ASIDE = "events.aside"
"""Kind of the notes on events that no day is there for."""


def sensors(
    settings: Settings, resource: WorkplaceResource, jobs: Sequence[AnyJob]
) -> list[dg.SensorDefinition]:
    """The sensors of a configuration; those about events only where a feed has an inbox."""
    known = {job.name: job for job in jobs}
    hourly = [known[HOURLY]] if HOURLY in known else []
    made = [_sensor(ON_EXTRACTS, 60, [*hourly, known[DAILY]], resource, _late_extracts)]
    if any(feed.inbox for feed in settings.feeds.values()):
        made += [
            _sensor(ON_EVENTS, EVERY_SECONDS, [*hourly, known[EVENTS]], resource, _events),
            _alarm(
                "dead_letters", ("dead_letters", "sequence_gap", "signature_failures"), resource
            ),
            _alarm("sla_breaches", ("sla_breach", "lag"), resource),
        ]
    return made


Tick = Callable[
    [dg.SensorEvaluationContext, Workplace, dict[str, Any]], tuple[dict[str, Any], Looked]
]


def _sensor(
    name: str, seconds: int, jobs: Sequence[AnyJob], resource: WorkplaceResource, work: Tick
) -> dg.SensorDefinition:
    @dg.sensor(
        name=name,
        jobs=list(jobs),
        minimum_interval_seconds=seconds,
        description=(work.__doc__ or "").strip(),
        default_status=_status(),
    )
    def tick(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        cursor = json.loads(context.cursor) if context.cursor else {}
        with resource.create_resource() as workplace, clear_failures():
            cursor, looked = work(context, workplace, cursor)
        for one in looked.given_up:
            context.log.error(
                f"{one.day} was not worked: its run failed {one.attempt} times. See the runs of "
                f"this sensor, correct what they say, then run `tieout run --from {one.day}"
                f" --to {one.day}`"
            )
        cursor["wishes"] = as_json(looked.wishes)
        text = json.dumps(cursor, sort_keys=True)
        if not looked.requests:
            waiting = len(looked.wishes)
            context.update_cursor(text)
            return dg.SkipReason(f"{waiting} days are being worked" if waiting else "nothing new")
        return dg.SensorResult(run_requests=looked.requests, cursor=text)

    return tick


def _status() -> dg.DefaultSensorStatus:
    on = os.environ.get(SWITCH, "").lower() == "on"
    return dg.DefaultSensorStatus.RUNNING if on else dg.DefaultSensorStatus.STOPPED


def _events(
    context: dg.SensorEvaluationContext, workplace: Workplace, cursor: dict[str, Any]
) -> tuple[dict[str, Any], Looked]:
    """Days whose events changed are reconciled again: new events, and those a person replayed."""
    found = affected(
        workplace.register,
        workplace.settings,
        cursor.get("sequence", 0),
        cursor.get("action", 0),
        most=MOST_EVENTS,
        today=datetime.now(UTC).date(),
    )
    _set_aside(context, workplace, found.aside)
    feeds = workplace.settings.feeds
    changes = [
        (feed, window, feeds[feed].every == "hour", f"e{sequence}" + (f"a{action}" * bool(action)))
        for (feed, window), (sequence, action) in sorted(found.windows.items())
    ]
    wishes = merged(from_json(cursor.get("wishes", [])), _wishes(changes))
    looked = look_after(context.instance, ON_EVENTS, wishes, EVENTS)
    return {"sequence": found.sequence, "action": found.action}, looked


def _set_aside(
    context: dg.SensorEvaluationContext, workplace: Workplace, aside: dict[int, str]
) -> None:
    """Remember events that no day is there for, each once; they hold up no other."""
    if not aside:
        return
    known = workplace.register.notes(_ASIDE)
    for sequence, why in sorted(aside.items()):
        if str(sequence) not in known:
            workplace.register.note(_ASIDE, str(sequence), {"why": why})
            context.log.warning(f"event {sequence} is set aside: {why}")


def _late_extracts(
    context: dg.SensorEvaluationContext, workplace: Workplace, cursor: dict[str, Any]
) -> tuple[dict[str, Any], Looked]:
    """Days with new or changed files are worked again, also days long past."""
    changes, seen = [], {}
    for feed, about in workplace.settings.feeds.items():
        if about.location is None:
            continue
        for window, digest in changed(workplace, feed).items():
            places = _windows(workplace, feed) if window == ANY else [window]
            seen[digest] = (feed, window)
            changes += [(feed, place, about.every == "hour", digest) for place in places]
    wishes = merged(from_json(cursor.get("wishes", [])), _wishes(changes))
    looked = look_after(context.instance, ON_EXTRACTS, wishes, DAILY)
    for one in (*looked.done, *looked.given_up):
        # What changed while the run was at work has another digest, and is a new wish.
        for digest in one.mark.split("."):
            if digest in seen:
                feed, window = seen[digest]
                remember(workplace, feed, {window: digest})
    return {}, looked


def _windows(workplace: Workplace, feed: str) -> list[str]:
    """Windows of files whose names tell none: those whose file is not known yet."""
    known = {(e.window, e.name, e.bytes) for e in workplace.register.extracts(feed)}
    there = {(f.window, f.name, f.bytes) for f in locate(workplace, feed)}
    return sorted({window for window, _, _ in there - known})


def _wishes(changes: Iterable[tuple[str, str, bool, str]]) -> list[Wish]:
    """Changes (feed, window, whether it is an hour, what changed) as one wish a day."""
    by_day: dict[str, list[tuple[str, str, bool, str]]] = {}
    for change in changes:
        by_day.setdefault(change[1][:10], []).append(change)
    return [
        Wish(
            day,
            _mark([mark for *_, mark in given]),
            hours=tuple(sorted({window for _, window, hourly, _ in given if hourly})),
            feeds=tuple(sorted({feed for feed, _, hourly, _ in given if hourly})),
        )
        for day, given in sorted(by_day.items())
    ]


def _mark(marks: Sequence[str]) -> str:
    return ".".join(sorted(set(marks)))


def _alarm(
    name: str, kinds: tuple[AlertKind, ...], resource: WorkplaceResource
) -> dg.SensorDefinition:
    """A sensor that starts no run: it tells the targets of the configuration."""

    @dg.sensor(
        name=name,
        minimum_interval_seconds=60,
        description="Tells what waits for a person to the targets under `alerts`.",
        default_status=_status(),
    )
    def tick(_context: dg.SensorEvaluationContext) -> dg.SkipReason:
        with resource.create_resource() as workplace, clear_failures():
            told = notify(workplace, datetime.now(UTC), kinds)
        return dg.SkipReason(f"{len(told.messages)} messages were due")

    return tick
