"""Roll-forward of open items by class: opening + new + moved - cleared = closing, to the cent.

What is open at the end of a day is listed line by line, twice: before the period and at its end. Of
a day that is signed, in its own month or as what a later one opens with, it is listed as it was
known then, classes included: so a period opens with exactly what was signed before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from tieout.engine.duck import Engine, session
from tieout.locks import locks
from tieout.matching.columns import outcomes
from tieout.matching.inputs import side_kinds
from tieout.model import AGES, BREAK_CLASSES, Figure, SideName
from tieout.periods import Period
from tieout.statement_inputs import base_of, delivered_through, outcome_paths
from tieout.workplace import Workplace

ROLLED = ("opening", "new", "moved_in", "moved_out", "cleared", "closing")
"""`moved_in` and `moved_out`: lines that were open throughout and changed their class."""
CLASSES = ("matched_in_transit", "timing", *BREAK_CLASSES)


@dataclass(frozen=True, slots=True)
class RollForward:
    """Open items of one reconciliation, period, entity, currency and side.

    `classes` has an entry for each class with anything in it, in the order of CLASSES, and each has
    every name of ROLLED; `ageing` has for the same classes every one of AGES. `appeared` are lines
    that were open before the period by their dates and are not in its opening. `signed_at`: the
    opening is what was signed then.
    """

    reconciliation: str
    period: Period
    entity: str
    currency: str
    side: SideName
    classes: Mapping[str, Mapping[str, Figure]]
    ageing: Mapping[str, Mapping[str, Figure]]
    appeared: Figure
    signed_at: datetime | None

    def total(self, figure: str) -> Figure:
        """A figure of all classes together."""
        return sum((rolled[figure] for rolled in self.classes.values()), Figure())

    @property
    def unexplained(self) -> dict[str, Figure]:
        """By class, what the closing is off by; no entry where nothing is."""
        off = {name: _off(rolled) for name, rolled in self.classes.items()}
        return {name: figure for name, figure in off.items() if figure != Figure()}

    def as_json(self) -> dict[str, object]:
        """The roll-forward as one JSON object; amounts are text."""

        def told(parts: Mapping[str, Mapping[str, Figure]]) -> dict[str, object]:
            return {
                name: {figure: one.as_json(self.currency) for figure, one in part.items()}
                for name, part in parts.items()
            }

        return {
            "reconciliation": self.reconciliation,
            "period": str(self.period),
            "entity": self.entity,
            "currency": self.currency,
            "side": self.side,
            "classes": told(self.classes),
            "ageing": told(self.ageing),
            "unexplained": told({"": self.unexplained})[""],
            "opening_signed_at": self.signed_at and self.signed_at.isoformat(),
        }


_Key = tuple[str, str, SideName]
"""Entity, currency and side."""


def roll_forwards(workplace: Workplace, name: str, period: Period) -> list[RollForward]:
    """Roll-forwards of one reconciliation over a period, by entity, currency and side.

    Raises RequestError for an unknown reconciliation.
    """
    base_of(workplace, name)
    before = period.first - timedelta(days=1)
    with session(workplace.store.root, workplace.settings.limits) as engine:
        engine.run("open_item")
        signed = _take(engine, workplace, name, "opening", before)
        _take(engine, workplace, name, "closing", period.last)
        days = {"first_day": period.first, "last_day": period.last}
        rows = engine.table("roll_forward", **days).iter_rows(named=True)
        found: dict[_Key, dict[str, dict[str, Figure]]] = defaultdict(lambda: defaultdict(dict))
        for row in rows:
            classes = found[row["entity"], row["currency"], row["side"]]
            classes[row["class"]][row["figure"]] = Figure(row["lines"], row["amount"])
    return [
        _made(name, period, key, classes, signed.get(key[0]))
        for key, classes in sorted(found.items())
    ]


def _take(
    engine: Engine, workplace: Workplace, name: str, edge: str, day: date
) -> dict[str, datetime]:
    """List what is open at the end of a day; the entities whose list was signed, and when."""
    signed: dict[str, datetime] = {}
    for lock in locks(workplace.register):  # by month: the first that says anything of the day
        if day <= lock.month.last:
            signed.setdefault(lock.entity, lock.locked_at)
    for entity, moment in signed.items():
        _take_known(engine, workplace.known_at(moment), name, edge, day, [entity], others=False)
    _take_known(engine, workplace, name, edge, day, [*signed], others=True)
    return signed


def _take_known(
    engine: Engine,
    workplace: Workplace,
    name: str,
    edge: str,
    day: date,
    entities: list[str],
    *,
    others: bool,
) -> None:
    fine = "usage" in side_kinds(workplace, base_of(workplace, name)).values()
    engine.frame("entity_asked", pl.DataFrame({"entity": entities}, {"entity": pl.String}))
    paths = outcome_paths(workplace, name, [Period(day, day)])
    engine.view("outcome", paths, outcomes(fine))
    through = delivered_through(workplace, name).parameters()
    engine.run("take_open_item", edge=edge, last_day=day, others=others, **through)


def _made(
    name: str,
    period: Period,
    key: _Key,
    found: Mapping[str, Mapping[str, Figure]],
    signed_at: datetime | None,
) -> RollForward:
    names = sorted(found, key=CLASSES.index)
    return RollForward(
        name,
        period,
        *key,
        {one: {figure: found[one].get(figure, Figure()) for figure in ROLLED} for one in names},
        {one: {age: found[one].get(age, Figure()) for age in AGES} for one in names},
        sum((found[one].get("appeared", Figure()) for one in names), Figure()),
        signed_at,
    )


def _off(rolled: Mapping[str, Figure]) -> Figure:
    came = rolled["opening"] + rolled["new"] + rolled["moved_in"]
    return came - rolled["moved_out"] - rolled["cleared"] - rolled["closing"]
