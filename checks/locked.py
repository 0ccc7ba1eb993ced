"""Lines of locked months, as checks see them: those of the very versions that were signed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta

import polars as pl

from tieout.locks import Lock, locks
from tieout.periods import DAY_FORMAT
from tieout.register.records import Publication
from tieout.workplace import Workplace

_RENAMED = r"~[0-9]{4}-[0-9]{2}$"
Scoped = Callable[[Iterable[Publication]], pl.LazyFrame]
"""Publications of lines -> their rows in scope, with at least entity and period."""


def as_counted(
    workplace: Workplace, tables: set[str], now: Iterable[Publication], scoped: Scoped
) -> pl.LazyFrame:
    """Rows in scope of publications, those of locked months as they were signed."""
    held = locks(workplace.register)
    rows = scoped(now)
    if not held:
        return rows
    last = {lock.entity: lock.month.last for lock in held}
    locked = pl.any_horizontal(
        (pl.col("entity") == entity) & (pl.col("period") <= day) for entity, day in last.items()
    )
    return pl.concat([rows.filter(~locked), *_signed(workplace, held, tables, scoped)])


def _signed(
    workplace: Workplace, held: list[Lock], tables: set[str], scoped: Scoped
) -> Iterator[pl.LazyFrame]:
    begins: dict[str, date] = {}
    for lock in held:
        first = begins.get(lock.entity, date.min)
        begins[lock.entity] = lock.month.last + timedelta(days=1)
        own = {place: v for place, v in lock.versions.items() if place[0] in tables}
        there = workplace.register.versions(own)
        near = [one for one in there if _may_hold(one, first, lock.month.last)]
        inside = pl.col("period").is_between(first, lock.month.last)
        yield scoped(near).filter(pl.col("entity") == lock.entity, inside)


def _may_hold(one: Publication, first: date, last: date) -> bool:
    begin, end = one.totals.get("first_period"), one.totals.get("last_period")
    if begin is None or end is None:
        return one.rows > 0
    return bool(begin <= f"{last:{DAY_FORMAT}}" and end >= first.isoformat())


def standing(workplace: Workplace, outcomes: pl.LazyFrame) -> pl.LazyFrame:
    """Outcomes of lines that stand where they belong, under the names their senders gave them."""
    if not locks(workplace.register):
        return outcomes
    own = pl.col("line_id").str.replace(_RENAMED, "")
    return outcomes.filter(pl.col("belongs_to").is_null()).with_columns(line_id=own)


def correcting(outcomes: pl.LazyFrame) -> pl.LazyFrame:
    """Outcomes of what belongs to a locked month and counts in an open one."""
    return outcomes.filter(pl.col("belongs_to").is_not_null())
