"""The completeness statement: every line received, explained to zero, and the open items rolled on.

What came is counted from the published lines, what became of it from the published outcomes; the
two meet in `unexplained`, which is zero only if they agree line for line and cent for cent.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import ROUND_DOWN, Decimal

import polars as pl

from tieout.model import (
    AGES,
    ALL_ENTITIES,
    ANSWERS,
    OPEN_ITEM_ROWS,
    STATEMENT_ROWS,
    Figure,
    SideName,
    Statement,
)
from tieout.money import NO_CURRENCY
from tieout.periods import DAY_FORMAT, Period
from tieout.register.records import NewPublication
from tieout.signed import SIDE_ORDER, as_signed
from tieout.statement_inputs import base_of, reading
from tieout.watermark import watermarks_of
from tieout.workplace import Workplace

STATEMENTS = {
    "entity": pl.String(),
    "currency": pl.String(),
    "side": pl.String(),
    "json": pl.String(),
}
"""Columns of the table statements/<reconciliation>. Grain: one statement of one day; `json` is
Statement.as_json() with sorted keys, so that equal statements are equal bytes."""

_CENT = Decimal("0.01")
_WHOLE = Decimal("100.00")


def statements(workplace: Workplace, name: str, period: Period) -> list[Statement]:
    """Statements of one reconciliation for a day or a month, by entity, currency and side.

    Raises TieoutError for an unknown reconciliation.
    """
    return statements_of(workplace, name, [period])[period]


def statements_of(
    workplace: Workplace, name: str, periods: Sequence[Period]
) -> dict[Period, list[Statement]]:
    """The same for several periods in one reading; every period asked for is a key."""
    books: dict[_Key, _Book] = defaultdict(_Book)
    with reading(workplace, name, periods) as (engine, through):
        for row in engine.table("statement_lines").iter_rows(named=True):
            books[_key(row)].count(row)
        parameters = through.parameters()
        for row in engine.table("statement_outcomes", **parameters).iter_rows(named=True):
            books[_key(row)].explain(row)
        for row in engine.table("statement_open_items").iter_rows(named=True):
            books[_key(row)].roll(row)
        chained = base_of(workplace, name) != name
        if chained:
            for row in engine.table("statement_answers").iter_rows(named=True):
                books[_key(row)].answer(row)
        deliveries = engine.table("delivery_breaks")
    _add_delivery(books, deliveries)
    marks = watermarks_of(workplace, name, periods)
    found: dict[Period, list[Statement]] = {period: [] for period in periods}
    for key in sorted(books, key=lambda k: (k.period, k.entity, k.currency, SIDE_ORDER[k.side])):
        one = books[key].statement(name, key, chained=chained)
        found[key.period].append(replace(one, watermarks=marks[key.period]))
    return as_signed(workplace, name, found)


def publish_statements(
    workplace: Workplace, name: str, days: Iterable[date], *, run_id: str
) -> dict[str, list[Statement]]:
    """Publish the statements of days as the next version of statements/<name>, by day.

    A day whose statements are what they were is not published again. Raises FencedError.
    """
    wanted = sorted(set(days))
    if not wanted:
        return {}
    table = f"statements/{name}"
    keys = [f"{day:{DAY_FORMAT}}" for day in wanted]
    epochs = workplace.register.take_epochs(table, keys, run_id)
    made = statements_of(workplace, name, [Period(day, day) for day in wanted])
    by_day = {str(period): found for period, found in made.items()}
    heads = workplace.register.heads(table, keys)
    changed = [
        _publication(workplace, table, day, found)
        for day, found in by_day.items()
        if day not in heads or heads[day].totals["sha256"] != fingerprint(found)
    ]
    fences = {(table, day): epoch for day, epoch in epochs.items()}
    workplace.register.publish(changed, fences, run_id=run_id)
    return by_day


def fingerprint(found: Sequence[Statement]) -> str:
    """sha256 of statements as published."""
    return hashlib.sha256("\n".join(_text(s) for s in found).encode()).hexdigest()


def _text(statement: Statement) -> str:
    return json.dumps(statement.as_json(), sort_keys=True, separators=(",", ":"))


def _publication(
    workplace: Workplace, table: str, day: str, found: Sequence[Statement]
) -> NewPublication:
    rows = [(s.entity, s.currency, s.side, _text(s)) for s in found]
    frame = pl.DataFrame(rows, schema=STATEMENTS, orient="row")
    files = (workplace.store.write(table, day, frame),) if rows else ()
    totals = {
        "sha256": fingerprint(found),
        "breaks": sum(s.rows["breaks"].count for s in found),
        "timing": sum(s.rows["timing"].count for s in found),
        "unexplained": sum(1 for s in found if not s.holds),
    }
    return NewPublication(table, day, files, frame.height, totals)


@dataclass(frozen=True, slots=True)
class _Key:
    period: Period
    entity: str
    currency: str
    side: SideName


def _key(row: Mapping[str, object]) -> _Key:
    first, last, side = row["first_day"], row["last_day"], row["side"]
    assert isinstance(first, date)
    assert isinstance(last, date)
    return _Key(
        Period(first, last),
        str(row["entity"]),
        str(row["currency"]),
        "source" if side == "source" else "target",
    )


def _figures() -> defaultdict[str, Figure]:
    return defaultdict(Figure)


@dataclass
class _Book:
    """One statement in the making."""

    came: defaultdict[str, Figure] = field(default_factory=_figures)
    became: defaultdict[str, Figure] = field(default_factory=_figures)
    classes: defaultdict[str, Figure] = field(default_factory=_figures)
    rolled: defaultdict[str, Figure] = field(default_factory=_figures)
    delivery: defaultdict[str, Figure] = field(default_factory=_figures)
    answers: defaultdict[str, Figure] = field(default_factory=_figures)
    received_weight: Decimal = Decimal(0)
    matched_weight: Decimal = Decimal(0)

    def count(self, row: Mapping[str, object]) -> None:
        """Take in a figure of what came."""
        self.came[str(row["figure"])] += _figure(row)
        self.received_weight += _decimal(row["weight"])

    def explain(self, row: Mapping[str, object]) -> None:
        """Take in a figure of what became of it."""
        name = str(row["figure"])
        self.became[name] += _figure(row)
        if name == "breaks":
            self.classes[str(row["break_class"])] += _figure(row)
        if name in ("matched", "matched_in_transit"):
            self.matched_weight += _decimal(row["weight"])

    def roll(self, row: Mapping[str, object]) -> None:
        """Take in a figure of the roll-forward."""
        self.rolled[str(row["figure"])] += _figure(row)

    def answer(self, row: Mapping[str, object]) -> None:
        """Take in a figure of what a chain says."""
        self.answers[str(row["answer"])] += _figure(row)

    def statement(self, name: str, key: _Key, *, chained: bool) -> Statement:
        """The statement; duplicates are those in one extract and those in a later one."""
        came, became = self.came, self.became
        again = became["duplicates"]
        accepted = came["filed"] - again
        explained = (
            became["matched"] + became["matched_in_transit"] + became["timing"] + became["breaks"]
        )
        rows = {
            "received": came["filed"]
            + came["duplicates"]
            + came["quarantined"]
            + came["not_in_file"],
            "not_in_file": came["not_in_file"],
            "quarantined": came["quarantined"],
            "duplicates": came["duplicates"] + again,
            "accepted": accepted,
            "matched": became["matched"],
            "matched_in_transit": became["matched_in_transit"],
            "timing": became["timing"],
            "breaks": became["breaks"],
            "unexplained": accepted - explained,
        }
        matched = rows["matched"] + rows["matched_in_transit"]
        return Statement(
            reconciliation=name,
            period=key.period,
            entity=key.entity,
            currency=key.currency,
            side=key.side,
            rows={row: rows[row] for row in STATEMENT_ROWS},
            breaks_by_class=dict(sorted(self.classes.items())),
            open_items={row: self.rolled[row] for row in OPEN_ITEM_ROWS},
            ageing={age: self.rolled[age] for age in AGES},
            completeness={
                "count": _share(Decimal(matched.count), Decimal(rows["received"].count)),
                "amount": _share(self.matched_weight, self.received_weight),
            },
            delivery=dict(sorted(self.delivery.items())),
            answers={one: self.answers[one] for one in ANSWERS} if chained else None,
        )


def _figure(row: Mapping[str, object]) -> Figure:
    lines = row["lines"]
    assert isinstance(lines, int)
    return Figure(lines, _decimal(row["amount"]))


def _decimal(value: object) -> Decimal:
    assert isinstance(value, Decimal)
    return value


def _share(part: Decimal, whole: Decimal) -> Decimal:
    """Percent, rounded down: 100.00 is said only of what is complete."""
    if whole == 0:
        return _WHOLE
    return (part * 100 / whole).quantize(_CENT, rounding=ROUND_DOWN)


def _add_delivery(books: dict[_Key, _Book], deliveries: pl.DataFrame) -> None:
    """Show a delivery break on every statement it may touch: all currencies where it names none.

    One that touches none, as of a feed that could never be read, gets statements of its own.
    """
    known = list(books)
    for row in deliveries.iter_rows(named=True):
        gap = delivery_gap(row)
        period = Period(row["first_day"], row["last_day"])
        entity, currency = row["entity"] or ALL_ENTITIES, row["currency"] or NO_CURRENCY
        place = _Key(period, entity, currency, row["side"])
        for key in _touched(place, known):
            books[key].delivery[row["break_class"]] += Figure(1, gap)


def _touched(place: _Key, known: Sequence[_Key]) -> Sequence[_Key]:
    """The statements that a delivery break is shown on, which need not be known yet: those of its
    side, else the empty side beside those of the other one, else one at its own place.
    """
    there = [
        key
        for key in known
        if key.period == place.period
        and place.entity in (key.entity, ALL_ENTITIES)
        and place.currency in (key.currency, NO_CURRENCY)
    ]
    own = [key for key in there if key.side == place.side]
    return own or [replace(key, side=place.side) for key in there] or [place]


def delivery_gap(row: Mapping[str, object]) -> Decimal:
    """What an extract or a batch lacks: stated less found, 0 where no amounts are stated."""
    stated, found = row["stated_amount"], row["found_amount"]
    if isinstance(stated, Decimal) and isinstance(found, Decimal):
        return stated - found
    return Decimal(0)
