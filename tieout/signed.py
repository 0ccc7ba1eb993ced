"""Statements of locked months: what was signed, not what would be counted now."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from tieout.locks import Lock, locks
from tieout.model import Statement
from tieout.periods import Period
from tieout.workplace import Workplace

SIDE_ORDER = {"source": 0, "target": 1}


def as_signed(
    workplace: Workplace, name: str, made: Mapping[Period, Sequence[Statement]]
) -> dict[Period, list[Statement]]:
    """Statements by period, those of entities whose month is locked in place of what was made.

    For a month and its days; the statements of any other span are as they are made.
    """
    held = locks(workplace.register)
    return {period: _of_period(workplace, name, period, one, held) for period, one in made.items()}


def _of_period(
    workplace: Workplace,
    name: str,
    period: Period,
    made: Sequence[Statement],
    held: Sequence[Lock],
) -> list[Statement]:
    found = list(made)
    for lock in held:
        signed = signed_statements(workplace, name, period, lock)
        if signed is not None:
            found = [one for one in found if one.entity != lock.entity] + signed
    return sorted(found, key=lambda one: (one.entity, one.currency, SIDE_ORDER[one.side]))


def signed_statements(
    workplace: Workplace, name: str, period: Period, lock: Lock
) -> list[Statement] | None:
    """What was signed of a month or a day of it; None where the lock says nothing of the period."""
    stated: Sequence[Mapping[str, Any]] | None = None
    if period == lock.month and lock.statements is not None:
        stated = [one for one in lock.statements if one["reconciliation"] == name]
    elif period.first == period.last and lock.month.first <= period.first <= lock.month.last:
        stated = _of_day(workplace, name, str(period), lock)
    if stated is None:
        return None
    return [Statement.from_json(one) for one in stated if one["entity"] == lock.entity]


def _of_day(
    workplace: Workplace, name: str, day: str, lock: Lock
) -> list[Mapping[str, Any]] | None:
    """Every statement of a day as published when the month was signed."""
    place = (f"statements/{name}", day)
    if place not in lock.versions:
        return None
    published = workplace.register.versions({place: lock.versions[place]})
    paths = workplace.store.paths(published)
    return [json.loads(text) for path in paths for text in pl.read_parquet(path)["json"]]
