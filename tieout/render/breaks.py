"""Breaks as text, CSV and JSON, grouped by class.

CSV is safe to open in a spreadsheet program: a text cell that would be read as a formula (its first
character, after any apostrophes, is = + - @ tab, carriage return or line feed, or the full-width
form of one of the signs) gets one apostrophe in front. Take one apostrophe off such a cell to have
the text back. Amounts, ages and dates are never touched. Lines end as in RFC 4180 (CR LF).
"""

from __future__ import annotations

import csv
import io
import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tieout.model import Break
from tieout.money import NO_CURRENCY, text_amount
from tieout.render.layout import classes_in_order, count_of, entity_text, printable

_FORMULA = re.compile("^'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
COLUMNS = (
    "reconciliation",
    "class",
    "side",
    "feed",
    "line_id",
    "ref",
    "entity",
    "currency",
    "amount",
    "occurred_on",
    "period",
    "age_days",
    "explanation",
    "counterpart",
    "decision",
    "accepted_by",
    "accepted_because",
)
_FIGURES = frozenset({"amount", "occurred_on", "period", "age_days", "decision"})
_INDENT = "    "
_WIDTH = 100


@dataclass(frozen=True, slots=True)
class ClassTotal:
    """Breaks of one reconciliation, class, side and currency together."""

    reconciliation: str
    break_class: str
    side: str
    currency: str
    count: int
    amount: Decimal


def by_class(given: Sequence[Break]) -> list[ClassTotal]:
    """Breaks counted and summed; reconciliations as they appear, classes as in the taxonomy."""
    sums: dict[tuple[str, str, str, str], tuple[int, Decimal]] = {}
    for one in given:
        key = (one.reconciliation, one.break_class, one.side, one.currency)
        count, amount = sums.get(key, (0, Decimal(0)))
        sums[key] = (count + 1, amount + one.amount)
    names = list(dict.fromkeys(one.reconciliation for one in given))
    place = {c: n for n, c in enumerate(classes_in_order(one.break_class for one in given))}
    order = sorted(sums, key=lambda key: (names.index(key[0]), place[key[1]], *key[2:]))
    return [ClassTotal(*key, *sums[key]) for key in order]


def amounts_text(given: Sequence[Break]) -> str:
    """The amounts summed by currency: `1,200.00 USD, 300.00 EUR`."""
    sums: dict[str, Decimal] = {}
    for one in given:
        sums[one.currency] = sums.get(one.currency, Decimal(0)) + one.amount
    return ", ".join(_amount_text(sums[c], c) for c in sorted(sums) if _is_money(sums[c], c))


def _is_money(amount: Decimal, currency: str) -> bool:
    """Whether there is an amount to show: a break of a whole extract has neither."""
    return bool(amount) or currency != NO_CURRENCY


def _amount_text(amount: Decimal, currency: str) -> str:
    shown = "without a currency" if currency == NO_CURRENCY else currency
    return f"{text_amount(amount, currency)} {shown}"


def largest(given: Sequence[Break], most: int) -> list[Break]:
    """The breaks of the largest absolute amounts, of each currency in turn; equal ones by line.

    Amounts of two currencies are not compared: a thousand yen is not more than ten dollars.
    """
    by_currency: dict[str, list[Break]] = {}
    for one in sorted(given, key=_by_size):
        by_currency.setdefault(one.currency, []).append(one)
    ranked = [
        (rank, currency, one)
        for currency, members in by_currency.items()
        for rank, one in enumerate(members)
    ]
    return [one for _, _, one in sorted(ranked, key=lambda r: r[:2])[:most]]


def _by_size(one: Break) -> tuple[Decimal, str, str, str, str]:
    size = one.amount.copy_abs().copy_negate()
    return size, one.reconciliation, one.break_class, one.feed, one.line_id


def text(given: Sequence[Break]) -> str:
    """Every break with its explanation, a heading for each reconciliation, class and side; where
    there are several, the headings come first, as a summary.

    Sides apart: both lines of one difference are breaks, and their sum would say it twice.
    """
    groups: dict[tuple[str, str, str], list[Break]] = {}
    for one in given:
        groups.setdefault((one.reconciliation, one.break_class, one.side), []).append(one)
    names = list(dict.fromkeys(one.reconciliation for one in given))
    place = {c: n for n, c in enumerate(classes_in_order(one.break_class for one in given))}
    order = sorted(groups, key=lambda key: (names.index(key[0]), place[key[1]], key[2]))
    headings = {key: _heading(key, groups[key]) for key in order}
    summary = [line for lines in headings.values() for line in lines]
    shown = ["\n".join([*summary, ""])] if len(order) > 1 else []
    return "\n".join([*shown, *(_group(headings[key], groups[key]) for key in order)])


def as_json(given: Sequence[Break], known: Mapping[str, object] | None = None) -> str:
    """One JSON array, an object for each break; `known` is said in each (tieout.known.as_json)."""
    told = [{**(known or {}), **one.as_json()} for one in given]
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def as_csv(given: Sequence[Break]) -> str:
    """A heading and one row for each break; text cells are safe in a spreadsheet program."""
    out = io.StringIO()
    # Python quotes a line break inside a cell only where it is part of the line terminator.
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for one in given:
        row = one.as_json()
        writer.writerow([_csv_cell(name, row[name]) for name in COLUMNS])
    return out.getvalue()


def is_formula(text: str) -> bool:
    """Whether a spreadsheet program would take the text for a formula, or we for an escape."""
    return _FORMULA.match(text) is not None


def _csv_cell(name: str, value: object) -> str:
    if value is None:
        return ""
    shown = str(value)
    return "'" + shown if name not in _FIGURES and is_formula(shown) else shown


def _heading(key: tuple[str, str, str], members: Sequence[Break]) -> list[str]:
    name, break_class, side = key
    head = f"{name}: {break_class}, {side}: {count_of(len(members), 'break')}"
    parts = [part for part in (head, amounts_text(members)) if part]
    return textwrap.wrap(printable(", ".join(parts)), _WIDTH, subsequent_indent=_INDENT)


def _group(heading: Sequence[str], members: Sequence[Break]) -> str:
    rule = "-" * max(map(len, heading))
    return "\n".join([*heading, rule, *(_entry(one) for one in members)]) + "\n"


def _entry(one: Break) -> str:
    money = [_amount_text(one.amount, one.currency)] if _is_money(one.amount, one.currency) else []
    age = f"{count_of(one.age_days, 'day')} old"
    entity, day = entity_text(one.entity), one.period.isoformat()
    facts = (one.side, one.feed, one.line_id, entity, *money, day, age)
    head = "  ".join(printable(fact) for fact in facts)
    said = textwrap.wrap(
        printable(one.explanation), _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT
    )
    more = [("ref", one.ref), ("nearest on the other side", one.counterpart)]
    if one.decision is not None:
        told = f"accepted by {one.accepted_by}, decision {one.decision}: {one.accepted_because}"
        said += textwrap.wrap(
            printable(told), _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT
        )
    besides = [f"{word}: {name}" for word, name in more if name and name not in one.explanation]
    return "\n".join([head, *said, *(_INDENT + printable(words) for words in besides)])
