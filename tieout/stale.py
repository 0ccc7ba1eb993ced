"""Days whose published statements may no longer say what is known.

A statement is a function of the lines, quarantine and deliveries of its feeds, of the outcomes, and
of how far the other side has been delivered. The days are found from the versions that were looked
at when statements were last published, so nothing is missed whatever ran, failed or was killed in
between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from tieout.register.records import Publication
from tieout.settings import Settings
from tieout.workplace import Workplace

Place = tuple[str, str]
"""A (table, partition)."""
_STAGES = ("lines", "quarantine", "duplicates", "deliveries")


@dataclass(frozen=True, slots=True)
class Stale:
    """The days to state again, in order, and the versions that were looked at to find them."""

    days: tuple[date, ...]
    seen: Mapping[Place, int]


def stale_days(workplace: Workplace, name: str) -> Stale:
    """Days of statements/<name> to publish again since `mark_stated` was last called.

    What is open on a day is carried into every later one, so a changed outcome makes the statements
    of all later days stale; a timing item may have become a break since.
    """
    register, outcomes = workplace.register, f"outcomes/{name}"
    tables = [outcomes, *input_tables(workplace.settings, name)]
    heads = {(t, key): head for t in tables for key, head in register.heads(t).items()}
    before = register.consumed(_consumer(name))
    dirty = [place for place, head in heads.items() if before.get(place) != head.version]
    changed = [heads[place] for place in dirty]
    changed += register.versions({place: before[place] for place in dirty if place in before})
    stated = register.heads(f"statements/{name}")
    days = {d for head in changed if head.table != outcomes for d in _days_of(head, stated)}
    touched = {head.partition for head in changed if head.table == outcomes}
    if touched:
        days |= touched | {day for day in stated if day >= min(touched)}
    days |= {day for day, head in stated.items() if head.totals.get("timing", 0)}
    seen = {place: head.version for place, head in heads.items()}
    return Stale(tuple(date.fromisoformat(day) for day in sorted(days)), seen)


def mark_stated(workplace: Workplace, name: str, stale: Stale, *, run_id: str) -> None:
    """Remember what was looked at, once the statements of the stale days are published."""
    workplace.register.publish([], {}, run_id=run_id, consumer=_consumer(name), consumed=stale.seen)


def _consumer(name: str) -> str:
    return f"statements.{name}"


def feeds_of(settings: Settings, name: str) -> list[str]:
    """The feeds of a reconciliation, or of both links of a chain."""
    reconciliation = settings.reconciliations[name]
    if reconciliation.chain is not None:
        return _once(feed for link in reconciliation.chain for feed in feeds_of(settings, link))
    sides = (reconciliation.source, reconciliation.target)
    return _once(feed for side in sides if side is not None for feed in side.feeds)


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def input_tables(settings: Settings, name: str) -> Iterator[str]:
    """Every table of the feeds of a reconciliation: lines and what stands beside them."""
    for feed in feeds_of(settings, name):
        for stage in _STAGES:
            yield f"{stage}/{feed}"


def _days_of(head: Publication, stated: Mapping[str, Publication]) -> Iterator[str]:
    """Days already stated that a window's rows may count in; new days come with their outcomes."""
    first, last = head.totals.get("first_period"), head.totals.get("last_period")
    own = head.partition[:10]
    for day in stated:
        if first is None or last is None:
            counted = head.rows > 0  # it does not say where: it may be anywhere
        else:
            counted = first <= day <= last
        if counted or day == own:
            yield day
