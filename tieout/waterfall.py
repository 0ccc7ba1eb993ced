"""From the source amount to the target amount, a label a step, down to unexplained 0.

A waterfall is about the lines of a period, or those that carry one reference (a batch, an invoice,
a payment). Matched lines cancel but for their residual; what is open, or matched with lines outside
the focus, is a step of its own. Source and steps must lead to the target: what is left is
unexplained, and would be a fault of the program.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

import polars as pl

from tieout.engine.duck import Engine, session
from tieout.errors import RequestError
from tieout.matching.columns import outcomes
from tieout.matching.inputs import side_kinds
from tieout.model import Figure
from tieout.money import plain_amount
from tieout.periods import DAY_FORMAT, Period
from tieout.settings import Reconciliation
from tieout.statement_inputs import delivered_through
from tieout.workplace import Workplace

_STEPS = ("source", "open_source", "residual", "elsewhere", "open_target", "target")


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `kind` is source or target (a component of either amount), or one of
    open_source, residual, elsewhere, open_target: what leads from the one to the other.
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

    Raises TieoutError for a chain, which has no amounts of its own on its target side.
    """
    days = {"first_day": period.first, "last_day": period.last}
    with _reading(workplace, name, period) as engine:
        engine.run("focus_period", **days)
        return _waterfalls(workplace, name, str(period), engine)


def of_ref(
    workplace: Workplace, name: str, ref: str, carriers: Sequence[tuple[str, str]], around: Period
) -> list[Waterfall]:
    """The same of the lines that carry a reference, and of the postings that answer them.

    `carriers` are feed and line_id of the lines that carry it, all of them dated `around`.
    """
    schema = {"feed": pl.String, "line_id": pl.String}
    with _reading(workplace, name, around) as engine:
        engine.frame("carrier", pl.DataFrame(carriers, schema=schema, orient="row"))
        engine.run("focus_ref")
        return _waterfalls(workplace, name, ref, engine)


@contextmanager
def _reading(workplace: Workplace, name: str, period: Period) -> Iterator[Engine]:
    """A session with view outcome: the period's, and as far around it as a match can reach."""
    reconciliation = workplace.settings.reconciliations.get(name)
    if reconciliation is None or reconciliation.chain:
        what = "is a chain" if reconciliation else "is no reconciliation"
        raise RequestError(f"{name!r} {what}", "name a reconciliation of two sides")
    reach = timedelta(days=_reach(reconciliation))
    first = f"{period.first - reach:{DAY_FORMAT}}"
    last = f"{period.last + reach:{DAY_FORMAT}}"
    heads = workplace.register.heads(f"outcomes/{name}")
    paths = workplace.store.paths(head for day, head in heads.items() if first <= day <= last)
    fine = "usage" in side_kinds(workplace, name).values()
    with session(workplace.store.root, workplace.settings.limits) as engine:
        engine.view("outcome", paths, outcomes(fine))
        yield engine


def _reach(reconciliation: Reconciliation) -> int:
    """Days that two lines of one match may lie apart; both may be of one side."""
    windows = [reconciliation.timing_days, *(p.days for p in reconciliation.passes if p.days)]
    widest = max(abs(day) for window in windows for day in window)
    return 2 * widest


def _waterfalls(workplace: Workplace, name: str, about: str, engine: Engine) -> list[Waterfall]:
    through = delivered_through(workplace, name).parameters()
    rows = engine.table("waterfall", **through).sort("entity", "currency").to_dicts()
    labels = {p.name: p.tolerance.label for p in workplace.settings.reconciliations[name].passes}
    return [
        Waterfall(name, about, entity, currency, tuple(_in_order(list(group), labels)))
        for (entity, currency), group in groupby(rows, lambda r: (r["entity"], r["currency"]))
    ]


def _in_order(rows: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> Iterator[Step]:
    named: dict[tuple[str, str], Figure] = {}
    for row in rows:
        label = (
            labels.get(row["label"], row["label"]) if row["step"] == "residual" else row["label"]
        )
        key = row["step"], label or "other"
        named[key] = named.get(key, Figure()) + Figure(row["lines"], row["amount"])
    for kind in _STEPS:
        for (step, label), figure in named.items():
            if step == kind:
                yield Step(kind, label, figure)
