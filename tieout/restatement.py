"""Restatement: what a locked month was signed at, what came since, and what is known now.

The figures of now are counted from the lines as their senders last gave them, as if nothing had
been locked; the corrections are what the engine counts in later months instead. Their sum is proven
for every entity, currency and side.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from tieout.errors import RequestError
from tieout.locks import Lock, locks
from tieout.matching.columns import outcomes
from tieout.matching.inputs import side_kinds
from tieout.model import Figure, SideName, Statement
from tieout.money import plain_amount, subtracted
from tieout.periods import DAY_FORMAT, Period
from tieout.signed import signed_statements
from tieout.statement_inputs import base_of, reading
from tieout.workplace import Workplace

_Key = tuple[str, SideName]
"""Currency and side."""


@dataclass(frozen=True, slots=True)
class Correction:
    """A line that belongs to a locked month and counts on a later day: one that came too late, what
    a changed amount differs by, or the reversal of a line that changed or went.
    """

    feed: str
    line_id: str
    ref: str | None
    belongs_to: date
    counted_on: date
    amount: Decimal
    outcome: str
    break_class: str | None
    counterpart: str | None
    extract_sha256: str
    row_number: int


@dataclass(frozen=True, slots=True)
class Restatement:
    """One side of a reconciliation in a locked month, in one currency.

    `signed` is None where nothing was signed in that currency. `lines_signed` and `lines_now` are
    all lines filed for the month, repeats included: as they count in it, and as they are known now;
    the corrections are what lies between. `cleared` is what was open when it was signed and has
    been matched since.
    """

    reconciliation: str
    entity: str
    month: Period
    currency: str
    side: SideName
    signed: Statement | None
    lines_signed: Figure
    lines_now: Figure
    corrections: tuple[Correction, ...]
    cleared: Figure

    @property
    def corrected(self) -> Figure:
        """The corrections together."""
        return sum((Figure(1, one.amount) for one in self.corrections), Figure())

    @property
    def unexplained(self) -> Decimal:
        """What is known now, less what was signed and its corrections: zero, or it is at fault."""
        explained = self.lines_signed + self.corrected
        return subtracted(self.lines_now.amount, explained.amount)

    def as_json(self) -> dict[str, object]:
        """The restatement as one JSON object; amounts are text."""
        money = self.currency
        return {
            "reconciliation": self.reconciliation,
            "entity": self.entity,
            "month": str(self.month),
            "currency": money,
            "side": self.side,
            "signed": None if self.signed is None else self.signed.as_json(),
            "lines_signed": self.lines_signed.as_json(money),
            "corrections": self.corrected.as_json(money),
            "lines_now": self.lines_now.as_json(money),
            "unexplained": plain_amount(self.unexplained, money),
            "cleared_since": self.cleared.as_json(money),
            "lines": [_told(one, money) for one in self.corrections],
        }


def restatements(workplace: Workplace, name: str, entity: str, month: Period) -> list[Restatement]:
    """What became of a locked month, by currency and side.

    Raises RequestError where the month of the entity is not locked, or nothing is known of `name`.
    """
    lock = _lock(workplace, entity, month)
    signed = signed_statements(workplace, name, month, lock) or []
    by_key = {(one.currency, one.side): one for one in signed}
    counted = _filed(workplace, name, lock, as_received=False)
    now = _filed(workplace, name, lock, as_received=True)
    corrections, cleared = _since(workplace, name, lock)
    keys = {*by_key, *counted, *now, *corrections, *cleared}
    return [
        Restatement(
            name,
            entity,
            month,
            *key,
            by_key.get(key),
            counted.get(key, Figure()),
            now.get(key, Figure()),
            tuple(corrections.get(key, ())),
            cleared.get(key, Figure()),
        )
        for key in sorted(keys)
    ]


def locked_months(workplace: Workplace) -> list[tuple[str, Period]]:
    """Entity and month of every lock, in order."""
    return [(lock.entity, lock.month) for lock in locks(workplace.register)]


def _lock(workplace: Workplace, entity: str, month: Period) -> Lock:
    for lock in locks(workplace.register):
        if (lock.entity, lock.month) == (entity, month):
            return lock
    raise RequestError(f"{month} of {entity} is not locked", "see `tieout close status`")


def _filed(workplace: Workplace, name: str, lock: Lock, *, as_received: bool) -> dict[_Key, Figure]:
    """Lines filed for the month."""
    with reading(workplace, name, [lock.month], as_received=as_received) as (engine, _):
        rows = engine.table("statement_lines").iter_rows(named=True)
        return {
            (row["currency"], row["side"]): Figure(row["lines"], row["amount"])
            for row in rows
            if row["figure"] == "filed" and row["entity"] == lock.entity
        }


def _since(
    workplace: Workplace, name: str, lock: Lock
) -> tuple[Mapping[_Key, Sequence[Correction]], Mapping[_Key, Figure]]:
    """Corrections of the month, and what was open at its end and is cleared."""
    heads = workplace.register.heads(f"outcomes/{name}")
    opened = {f"{one.next_day:{DAY_FORMAT}}" for one in locks(workplace.register)}
    last = f"{lock.month.last:{DAY_FORMAT}}"
    until = [h for day, h in heads.items() if day <= last and h.totals["cleared_through"] > last]
    fine = "usage" in side_kinds(workplace, base_of(workplace, name)).values()
    found: dict[_Key, list[Correction]] = defaultdict(list)
    with reading(workplace, name, [lock.month]) as (engine, _):
        later = [head for day, head in heads.items() if day in opened]
        engine.view("outcome", workplace.store.paths(later), outcomes(fine))
        asked = {"entity": lock.entity, "last_day": lock.month.last}
        lines = engine.table("restated_lines", first_day=lock.month.first, **asked)
        for row in lines.iter_rows(named=True):
            found[row["currency"], row["side"]].append(_correction(row))
        engine.view("outcome", workplace.store.paths(until), outcomes(fine))
        cleared = _figures(engine.table("cleared_since", **asked).iter_rows(named=True))
    return found, cleared


def _figures(rows: Iterable[Mapping[str, Any]]) -> dict[_Key, Figure]:
    return {(r["currency"], r["side"]): Figure(r["lines"], r["amount"]) for r in rows}


def _correction(row: Mapping[str, Any]) -> Correction:
    return Correction(
        row["feed"],
        row["line_id"],
        row["ref"],
        row["belongs_to"],
        row["period"],
        row["amount"],
        row["outcome"],
        row["break_class"],
        row["counterpart"],
        row["extract_sha256"],
        row["row_number"],
    )


def _told(one: Correction, currency: str) -> dict[str, object]:
    told: dict[str, object] = {name: getattr(one, name) for name in one.__dataclass_fields__}
    return told | {
        "belongs_to": one.belongs_to.isoformat(),
        "counted_on": one.counted_on.isoformat(),
        "amount": plain_amount(one.amount, currency),
    }
