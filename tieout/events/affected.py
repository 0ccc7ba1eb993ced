"""Which windows of which inboxes events have changed since somebody last looked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from tieout.periods import window_day, window_key
from tieout.register.eventtables import event, event_action, event_sequence
from tieout.register.register import Register
from tieout.settings import Settings

OVERLAP = 50
"""Events looked at again. Sequences hide none, so they need no overlap; but the cursor is kept
elsewhere than the register, and after a restore from a backup the two need not agree."""


@dataclass(frozen=True, slots=True)
class Affected:
    """Windows by (feed, window) with the highest sequence in them, and the highest number of an
    action of a person (0: none); events that no window is there for, by sequence; how far was
    looked.
    """

    windows: dict[tuple[str, str], tuple[int, int]]
    aside: dict[int, str]
    sequence: int
    action: int


def affected(
    register: Register, settings: Settings, sequence: int, action: int, *, most: int, today: date
) -> Affected:
    """What at most `most` events after a sequence, and actions after a number, have changed.

    Where nothing is newer, nothing is found. A cursor ahead of the register begins at its end.
    """
    e, a = event.c, event_action.c
    with register.reading() as connection:
        last = int(connection.execute(sa.select(event_sequence.c.last)).scalar_one())
        done = int(connection.execute(sa.select(sa.func.max(a.id))).scalar() or 0)
        sequence, action = min(sequence, last), min(action, done)
        new: list[Any] = []
        if last > sequence:
            query = sa.select(e.sequence, e.feed, e.occurred_at, sa.literal(0))
            query = query.where(e.sequence > sequence - OVERLAP).order_by(e.sequence)
            new += connection.execute(query.limit(most + OVERLAP)).all()
        through = max((row[0] for row in new), default=sequence)
        if done > action:
            acted = sa.select(e.sequence, e.feed, e.occurred_at, a.id)
            acted = acted.join_from(event_action, event, a.sequence == e.sequence)
            acts = connection.execute(acted.where(a.id > action).order_by(a.id).limit(most)).all()
            action = acts[-1][3] if len(acts) == most else done
            new += acts
    windows, aside = _by_window(settings, new, today)
    return Affected(windows, aside, through, action)


def _by_window(
    settings: Settings, rows: Iterable[tuple[int, str, datetime, int]], today: date
) -> tuple[dict[tuple[str, str], tuple[int, int]], dict[int, str]]:
    windows: dict[tuple[str, str], tuple[int, int]] = {}
    aside: dict[int, str] = {}
    for sequence, feed, at, action in rows:
        about = settings.feeds.get(feed)
        if about is None or about.inbox is None:
            aside[sequence] = f"{feed} is no feed with an inbox"
            continue
        window = window_key(at, about.every)
        if not settings.calendar.start <= window_day(window) <= today:
            aside[sequence] = f"{feed} {window} lies outside the calendar, or is still to come"
            continue
        before = windows.get((feed, window), (0, 0))
        windows[feed, window] = (max(before[0], sequence), max(before[1], action))
    return windows, aside
