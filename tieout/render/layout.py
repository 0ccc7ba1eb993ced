"""The rows of a completeness statement in the order people read them, for every output alike.

Both sides of a reconciliation stand beside each other; what is taken off (quarantined, duplicates,
not in the file) is shown with its sign turned, so that each amount column adds up down the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

from tieout.model import (
    AGES,
    ALL_ENTITIES,
    ANSWERS,
    BREAK_CLASSES,
    OPEN_ITEM_ROWS,
    Figure,
    Statement,
    Watermark,
)
from tieout.money import NO_CURRENCY, minor_units, text_amount

LABELS = {
    "received": "received (sender's control total)",
    "not_in_file": "not in the file",
    "quarantined": "quarantined",
    "duplicates": "duplicates removed",
    "accepted": "accepted",
    "matched": "matched",
    "matched_in_transit": "matched in transit (cleared later)",
    "timing": "timing, inside the window",
    "breaks": "breaks (by class below)",
    "unexplained": "unexplained",
    "opening": "open items: opening",
    "new": "+ new",
    "cleared": "- cleared",
    "closing": "= closing",
}
DEDUCTIONS = frozenset({"not_in_file", "quarantined", "duplicates", "cleared"})
_TOP = frozenset({"received", "accepted", "unexplained", "opening"})
_ACCEPTED = ("matched", "matched_in_transit", "timing", "breaks", "unexplained")
_RECEIVED = ("received", "not_in_file", "quarantined", "duplicates", "accepted")
_PLACES = Decimal("0.01")
_SHOWN = 5
"""Gaps named in a sentence; the JSON has all of them."""
_WIDE = Context(prec=76)
"""Sums have up to 38 digits; Python's own 28 would refuse or round them."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one side shows in a row: a count of lines and an amount, or two percentages."""

    count: int | Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a statement; `cells` has one entry a side shown, None where it says nothing.

    `part` is rows, class, answer, open_items, age, completeness or delivery; `depth` is the
    indentation.
    """

    part: str
    name: str
    label: str
    depth: int
    cells: tuple[Cell | None, ...]

    @property
    def percent(self) -> bool:
        """Whether the cells are percentages."""
        return self.part == "completeness"


@dataclass(frozen=True, slots=True)
class Pair:
    """The statements of one reconciliation, period, entity and currency; source first."""

    sides: tuple[Statement, ...]

    @property
    def first(self) -> Statement:
        """Any of the sides: for what they have in common."""
        return self.sides[0]

    @property
    def entity(self) -> str:
        """The entity in words."""
        return entity_text(self.first.entity)

    @property
    def title(self) -> str:
        """`settlement_to_ledger, 2026-10, US01, USD`."""
        first = self.first
        currency = "no currency" if first.currency == NO_CURRENCY else first.currency
        return f"{first.reconciliation}, {first.period}, {self.entity}, {currency}"

    @property
    def anchor(self) -> str:
        """A name for links inside one document."""
        first = self.first
        entity = "all" if first.entity == ALL_ENTITIES else first.entity
        return f"{first.reconciliation}.{first.period}.{entity}.{first.currency}"


def pairs(statements: Iterable[Statement]) -> list[Pair]:
    """Statements grouped by reconciliation, period, entity and currency, in order of appearance."""
    groups: dict[tuple[str, ...], list[Statement]] = {}
    for one in statements:
        key = (one.reconciliation, str(one.period), one.entity, one.currency)
        groups.setdefault(key, []).append(one)
    return [Pair(tuple(sorted(g, key=lambda s: s.side))) for g in groups.values()]


def entity_text(entity: str) -> str:
    """The entity, in words where a sender states a figure for all of them together."""
    return "all entities" if entity == ALL_ENTITIES else entity


def rows(pair: Pair) -> list[Row]:
    """Every row of a statement, top to bottom.

    Break classes and ages that are nil on both sides are left out. So is what became of the lines
    where none was ever accepted (a control total for lines that are not in the file).
    """
    sides = pair.sides
    shown = [_figures("rows", name, sides, lambda s: s.rows) for name in _RECEIVED]
    if not any(map(accepts_any, sides)):
        shown.append(_figures("rows", "unexplained", sides, lambda s: s.rows))
        return [*shown, *_closing_rows(sides)]
    for name in _ACCEPTED:
        shown.append(_figures("rows", name, sides, lambda s: s.rows))
        if name == "breaks":
            shown += _named("class", 2, sides, lambda s: s.breaks_by_class)
    shown += _answers(sides)
    for name in OPEN_ITEM_ROWS:
        shown.append(_figures("open_items", name, sides, lambda s: s.open_items))
    shown += _named("age", 2, sides, lambda s: s.ageing)
    return [*shown, *_closing_rows(sides)]


def accepts_any(one: Statement) -> bool:
    """Whether a statement is about more than lines received and not accepted."""
    figures = [one.rows[name] for name in ("accepted", *_ACCEPTED)]
    return any(figure != Figure() for figure in (*figures, *one.open_items.values()))


def _closing_rows(sides: Sequence[Statement]) -> list[Row]:
    deliveries = _named("delivery", 1, sides, lambda s: s.delivery)
    return [_completeness(sides), _delivery_total(sides), *deliveries]


def classes_in_order(names: Iterable[str]) -> list[str]:
    """Break classes in the taxonomy's order."""
    place = {name: n for n, name in enumerate(BREAK_CLASSES)}
    return sorted(set(names), key=lambda name: (place.get(name, len(place)), name))


def count_text(row: Row, cell: Cell | None) -> str:
    """The count as people read it; empty where the side says nothing."""
    if cell is None:
        return ""
    return percent_text(Decimal(cell.count)) if row.percent else f"{cell.count:,}"


def amount_cell_text(row: Row, cell: Cell | None, currency: str) -> str:
    """The amount as people read it; empty where the side says nothing."""
    if cell is None:
        return ""
    return percent_text(cell.amount) if row.percent else text_amount(cell.amount, currency)


def percent_text(value: Decimal) -> str:
    """`99.82%`, two decimals rounded down."""
    return f"{whole_percent(value)}%"


def whole_percent(value: Decimal) -> Decimal:
    """Two decimals, rounded down: 100.00 is said only of what is complete."""
    return value.quantize(_PLACES, rounding=ROUND_FLOOR)


def brief_amount(amount: Decimal, currency: str) -> str:
    """The amount to the currency's minor unit, for overviews.

    What would round to nothing keeps all its digits: an overview never hides a difference.
    """
    unit = Decimal(1).scaleb(-minor_units(currency))
    return text_amount(amount.quantize(unit, ROUND_HALF_EVEN, _WIDE) or amount, currency)


def aligned(figures: Sequence[str]) -> list[str]:
    """Figures padded on both sides so that their decimal points stand in one column."""
    parts = [figure.partition(".") for figure in figures]
    left = max((len(whole) for whole, _, _ in parts), default=0)
    right = max((len(point + fraction) for _, point, fraction in parts), default=0)
    return [f"{whole:>{left}}{point + rest:<{right}}" for whole, point, rest in parts]


def count_of(number: int, noun: str) -> str:
    """`1 line`, `2 lines`."""
    return f"{number:,} {noun if abs(number) == 1 else noun + 's'}"


def printable(text: str) -> str:
    """The text without control characters: data must not steer a terminal or break a line."""
    return "".join(c if c.isprintable() else "�" for c in text)


def _figures(
    part: str,
    name: str,
    sides: Sequence[Statement],
    of: Callable[[Statement], dict[str, Figure]],
) -> Row:
    figures = [of(side)[name] for side in sides]
    taken_off = name in DEDUCTIONS
    cells = tuple(
        Cell(f.count, f.amount.copy_negate() if taken_off and f.amount else f.amount)
        for f in figures
    )
    return Row(part, name, LABELS[name], 0 if name in _TOP else 1, cells)


def _named(
    part: str, depth: int, sides: Sequence[Statement], of: Callable[[Statement], dict[str, Figure]]
) -> list[Row]:
    """Rows that a statement has only where there is something to say: classes and ages."""
    found = {name for side in sides for name, figure in of(side).items() if figure != Figure()}
    names = [a for a in AGES if a in found] if part == "age" else classes_in_order(found)
    shown = []
    for name in names:
        figures = [of(side).get(name) for side in sides]
        cells = tuple(None if f is None else Cell(f.count, f.amount) for f in figures)
        label = f"{name} days old" if part == "age" else name
        shown.append(Row(part, name, label, depth, cells))
    return shown


def answers_sentence(pair: Pair) -> str:
    """What a chain says of the records accepted, counted; empty for any other statement."""
    for side in pair.sides:
        if side.answers is not None and side.rows["accepted"].count:
            told = [f"{f.count:,} {_words(n)}" for n, f in side.answers.items() if f.count]
            first, *more = told or ["none has an answer"]
            accepted = count_of(side.rows["accepted"].count, "accepted record")
            are = "is" if first.startswith("1 ") else "are"
            said = ", ".join([first.replace(" ", f" {are} ", 1) if told else first, *more])
            return f"Of {accepted} {said}."
    return ""


def watermark_sentences(pair: Pair) -> list[str]:
    """How far the events have been seen, a sentence a feed; none where no feed is an inbox."""
    return [_watermark(one) for one in pair.first.watermarks]


def _watermark(one: Watermark) -> str:
    told = f"{one.feed}: {count_of(one.events, 'event')}"
    if one.last_event is not None:
        told += f", the last at {one.last_event:%Y-%m-%d %H:%M:%S %Z}"
    gaps = [f"{a} {first} to {last} ({last - first + 1})" for a, first, last in one.gaps[:_SHOWN]]
    if len(one.gaps) > _SHOWN:
        gaps.append(f"and {len(one.gaps) - _SHOWN} more")
    told += f"; never came: {', '.join(gaps)}" if gaps else "; no gap in the sender's numbers"
    return printable(f"{told}; {count_of(one.dead_letters, 'dead letter')}.")


def _answers(sides: Sequence[Statement]) -> list[Row]:
    """All answers of a chain, also those that none was given; nothing for any other statement."""
    if all(side.answers is None for side in sides):
        return []
    shown = []
    for name in ANSWERS:
        figures = [None if side.answers is None else side.answers[name] for side in sides]
        cells = tuple(None if f is None else Cell(f.count, f.amount) for f in figures)
        shown.append(Row("answer", name, f"answer: {_words(name)}", 1, cells))
    return shown


def _words(name: str) -> str:
    return name.replace("_not_", "_but_not_").replace("_", " ")


def _completeness(sides: Sequence[Statement]) -> Row:
    cells = tuple(Cell(s.completeness["count"], s.completeness["amount"]) for s in sides)
    return Row("completeness", "completeness", "completeness, matched of received", 0, cells)


def _delivery_total(sides: Sequence[Statement]) -> Row:
    sums = [sum(side.delivery.values(), Figure()) for side in sides]
    cells = tuple(Cell(f.count, f.amount) for f in sums)
    return Row("delivery", "delivery", "delivery breaks (extracts, batches)", 0, cells)
