"""Locked months: which are, since when, and on which published versions each rests.

Months of an entity are locked in their order, so what comes too late for one has one place to go:
the first month after the last locked one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from tieout.periods import Period, parse_period
from tieout.register.closetables import close_package, period_lock
from tieout.register.register import Register

Place = tuple[str, str]
"""A (table, partition)."""


@dataclass(frozen=True, slots=True)
class Lock:
    """A locked month of an entity; `versions` are those of every published partition as signed,
    `statements` those of the month (Statement.as_json), None where the package has none.
    """

    entity: str
    month: Period
    package_sha256: str
    locked_at: datetime
    versions: Mapping[Place, int]
    statements: Sequence[Mapping[str, Any]] | None

    @property
    def next_day(self) -> date:
        """The first day after the month."""
        return self.month.last + timedelta(days=1)


def locks(register: Register) -> list[Lock]:
    """Every lock that holds, by entity and month; of a register of the past, that held then."""
    query = (
        sa.select(
            period_lock.c.entity,
            period_lock.c.month,
            period_lock.c.package_sha256,
            period_lock.c.locked_at,
            period_lock.c.versions,
            close_package.c.body,
        )
        .join_from(period_lock, close_package)
        .where(_held(register.moment))
        .order_by(period_lock.c.entity, period_lock.c.month)
    )
    with register.reading() as connection:
        rows = connection.execute(query).all()
    return [
        Lock(
            row.entity,
            parse_period(row.month),
            row.package_sha256,
            row.locked_at,
            as_places(row.versions),
            json.loads(row.body).get("statements"),
        )
        for row in rows
    ]


def releases(register: Register) -> int:
    """How many locks were given up: months that were reopened are worked anew."""
    query = sa.select(sa.func.count()).where(period_lock.c.released_at.is_not(None))
    with register.reading() as connection:
        return int(connection.execute(query).scalar_one())


def _held(moment: datetime | None) -> sa.ColumnElement[bool]:
    if moment is None:
        return period_lock.c.released_at.is_(None)
    released = period_lock.c.released_at
    return sa.and_(period_lock.c.locked_at <= moment, sa.or_(released.is_(None), released > moment))


def as_json(versions: Mapping[Place, int]) -> dict[str, dict[str, int]]:
    """Versions as the register keeps them: table -> partition -> version."""
    told: dict[str, dict[str, int]] = {}
    for (table, partition), version in sorted(versions.items()):
        told.setdefault(table, {})[partition] = version
    return told


def as_places(told: Mapping[str, Mapping[str, int]]) -> dict[Place, int]:
    """The same read back."""
    return {(t, partition): v for t, own in told.items() for partition, v in own.items()}
