"""Which days may count otherwise at a later moment: all others need not be read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from tieout.locks import locks
from tieout.periods import DAY_FORMAT, Period, window_day
from tieout.register.records import Publication
from tieout.stale import input_tables
from tieout.statement_inputs import Through
from tieout.workplace import Workplace


def touched_days(
    before: Workplace,
    after: Workplace,
    name: str,
    period: Period,
    throughs: tuple[Through, Through],
) -> list[date]:
    """Days of a period, and earlier ones with something open in it, whose lines or outcomes were
    published anew between two moments; where more has been delivered since, those with open lines.
    """
    last = f"{period.last:{DAY_FORMAT}}"
    days = {
        date.fromisoformat(head.partition)
        for head in _changed(before, after, f"outcomes/{name}")
        if head.partition <= last
    }
    if throughs[0] != throughs[1]:
        heads = after.register.heads(f"outcomes/{name}")
        days |= {d for d in period.days() if _is_open(heads.get(f"{d:{DAY_FORMAT}}"))}
    for table in input_tables(after.settings, name):
        for head in _changed(before, after, table):
            days |= set(_days_of(head, period))
    opened = (lock.next_day for lock in locks(after.register))
    return sorted(days.union(day for day in opened if period.first <= day <= period.last))


def _changed(before: Workplace, after: Workplace, table: str) -> Iterator[Publication]:
    """What is another version at the later moment, as it is and as it was."""
    was, now = before.register.heads(table), after.register.heads(table)
    for partition, head in now.items():
        old = was.get(partition)
        if old is None or old.version != head.version:
            yield head
            if old is not None:
                yield old


def _is_open(head: Publication | None) -> bool:
    return head is not None and bool(head.totals.get("open"))


def _days_of(head: Publication, period: Period) -> Iterator[date]:
    """Days of a period that a window's rows may count in: its own, and those its totals name."""
    own = window_day(head.partition)
    yield own
    first, last = head.totals.get("first_period"), head.totals.get("last_period")
    if not head.rows:
        return
    if first is None or last is None:  # it does not say where: it may be anywhere
        yield from period.days()
        return
    day = max(period.first, date.fromisoformat(first))
    while day <= min(period.last, date.fromisoformat(last)):
        yield day
        day += timedelta(days=1)
