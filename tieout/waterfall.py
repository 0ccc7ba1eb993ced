"""From the source amount to the target amount, a label a step, down to unexplained 0.

A waterfall is about the lines of a period, or those that carry one reference (a batch, an invoice,
a payment). Matched lines cancel but for their residual; what is open, or matched with lines outside
the focus, is a step of its own; so is what a match of several currencies leaves in each of them.
Source and steps must lead to the target: what is left is unexplained, and would be a fault of the
program.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any

import polars as pl

from tieout.engine.duck import Engine, session
from tieout.errors import RequestError
from tieout.matching.columns import outcomes
from tieout.matching.inputs import side_kinds
from tieout.model import Figure
from tieout.money import plain_amount
from tieout.periods import DAY_FORMAT, Period
from tieout.rules import Reconciliation
from tieout.statement_inputs import asked, delivered_through
from tieout.workplace import Workplace

_STEPS = ("source", "open_source", "residual", "elsewhere", "converted", "open_target", "target")
_PLACE = ("first_day", "last_day", "entity", "currency")


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `kind` is source or target (a component of either amount), or one of
    open_source, residual, elsewhere, converted, open_target: what leads from the one to the other.
    """

    kind: str
    label: str
    figure: Figure


@dataclass(frozen=True, slots=True)
class Waterfall:
    """Steps of one reconciliation, entity and currency, in order from source to target."""

    reconciliation: str
    about: str
    entity: str
    currency: str
    steps: tuple[Step, ...]

    def total(self, *kinds: str) -> Figure:
        """The sum of the steps of some kinds."""
        return sum((s.figure for s in self.steps if s.kind in kinds), Figure())

    @property
    def unexplained(self) -> Decimal:
        """Target amount less what the source amount and the steps lead to."""
        led_to = self.total(*_STEPS[:-1])
        return (self.total("target") - led_to).amount

    def as_json(self) -> dict[str, object]:
        """The waterfall as one JSON object; amounts are text."""
        return {
            "reconciliation": self.reconciliation,
            "about": self.about,
            "entity": self.entity,
            "currency": self.currency,
            "source": self.total("source").as_json(self.currency),
            "steps": [
                {"kind": s.kind, "label": s.label, **s.figure.as_json(self.currency)}
                for s in self.steps
            ],
            "target": self.total("target").as_json(self.currency),
            "unexplained": plain_amount(self.unexplained, self.currency),
        }


def of_period(workplace: Workplace, name: str, period: Period) -> list[Waterfall]:
    """Waterfalls of all lines of a period, by entity and currency.

    Raises RequestError for a chain, which has no amounts of its own on its target side.
    """
    return of_periods(workplace, name, [period])[period]


def of_periods(
    workplace: Workplace, name: str, periods: Sequence[Period]
) -> dict[Period, list[Waterfall]]:
    """The same for several periods in one reading; every period asked for is a key."""
    with _reading(workplace, name, periods) as engine:
        engine.run("focus_period")
        found = _waterfalls(name, engine, None)
    return {period: found.get(period, []) for period in periods}


def of_ref(
    workplace: Workplace, name: str, ref: str, carriers: Sequence[tuple[str, str]], around: Period
) -> list[Waterfall]:
    """The same of the lines that carry a reference, and of the postings that answer them.

    `carriers` are feed and line_id of the lines that carry it, all of them dated `around`.
    """
    schema = {"feed": pl.String, "line_id": pl.String}
    with _reading(workplace, name, [around]) as engine:
        engine.frame("carrier", pl.DataFrame(carriers, schema=schema, orient="row"))
        engine.run("focus_ref")
        return _waterfalls(name, engine, ref).get(around, [])


def has_waterfalls(workplace: Workplace, name: str) -> bool:
    """Whether a reconciliation has two sides with amounts of their own: a chain has not."""
    return workplace.settings.reconciliations[name].chain is None


@contextmanager
def _reading(workplace: Workplace, name: str, periods: Sequence[Period]) -> Iterator[Engine]:
    """A session with what every waterfall is made from: lines of the periods, and of the days
    around them that a match can reach.
    """
    reconciliation = workplace.settings.reconciliations.get(name)
    if reconciliation is None or reconciliation.chain:
        if reconciliation and reconciliation.chain:
            raise RequestError(
                f"{name} is a chain: its target side has no amounts of its own",
                f"explain {' or '.join(reconciliation.chain)}",
            )
        raise RequestError(f"{name!r} is no reconciliation", "name a reconciliation of two sides")
    reach = timedelta(days=reach_of(reconciliation))
    near = {day for period in set(periods) for day in _days_around(period, reach)}
    heads = workplace.register.heads(f"outcomes/{name}")
    paths = workplace.store.paths(head for day, head in heads.items() if day in near)
    far = workplace.store.paths(head for day, head in heads.items() if day not in near)
    fine = "usage" in side_kinds(workplace, name).values()
    with session(workplace.store.root, workplace.settings.limits) as engine:
        # A person may match lines that lie farther apart than any window.
        by_hand = "decision IS NOT NULL AND outcome = 'matched'"
        decided = engine.relation(far, outcomes(fine)).filter(by_hand)
        engine.relation(paths, outcomes(fine)).union(decided).create_view("outcome")
        engine.frame("period_asked", asked(periods))
        engine.frame("pass_label", _pass_labels(reconciliation))
        engine.frame("functional", _functional(workplace))
        engine.run("waterfall_line", **delivered_through(workplace, name).parameters())
        yield engine


def _days_around(period: Period, reach: timedelta) -> list[str]:
    around = Period(period.first - reach, period.last + reach)
    return [f"{day:{DAY_FORMAT}}" for day in around.days()]


def _pass_labels(reconciliation: Reconciliation) -> pl.DataFrame:
    """What a residual of a pass is called where its outcome does not say, and in what it is."""
    labels = [
        (rule.name, rule.tolerance.label, rule.currency == "functional")
        for rule in reconciliation.passes
    ]
    schema = {"pass": pl.String, "label": pl.String, "functional": pl.Boolean}
    return pl.DataFrame(labels, schema=schema, orient="row")


def _functional(workplace: Workplace) -> pl.DataFrame:
    """The currency that an entity keeps its books in."""
    own = [(code, entity.currency) for code, entity in workplace.settings.entities.items()]
    return pl.DataFrame(own, schema={"entity": pl.String, "currency": pl.String}, orient="row")


def reach_of(reconciliation: Reconciliation) -> int:
    """Days that two lines of one match may lie apart; both may be of one side."""
    windows = [reconciliation.timing_days, *(p.days for p in reconciliation.passes if p.days)]
    widest = max(abs(day) for window in windows for day in window)
    return 2 * widest


def _waterfalls(name: str, engine: Engine, about: str | None) -> dict[Period, list[Waterfall]]:
    found: dict[Period, list[Waterfall]] = {}
    rows = engine.table("waterfall").sort(_PLACE, maintain_order=True).to_dicts()
    for (first, last, entity, currency), group in groupby(rows, itemgetter(*_PLACE)):
        period = Period(first, last)
        steps = tuple(_in_order(list(group)))
        one = Waterfall(name, about or str(period), entity, currency, steps)
        found.setdefault(period, []).append(one)
    return found


def _in_order(rows: Sequence[Mapping[str, Any]]) -> Iterator[Step]:
    for kind in _STEPS:
        for row in rows:
            if row["step"] == kind:
                yield Step(kind, row["label"], Figure(row["lines"], row["amount"]))
