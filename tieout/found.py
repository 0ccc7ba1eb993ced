"""What a lookup finds, as plain immutable values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from tieout.money import NO_CURRENCY, plain_amount
from tieout.settings import Kind


@dataclass(frozen=True, slots=True)
class LineOutcome:
    """What became of a line in one reconciliation.

    `outcome` is matched, timing, break or duplicate; `counterpart` the line_id of the line matched
    with (or the nearest, or the first of several), `match_count` how many lines the match has, this
    one included, `answer` what a chain says of the line, and `explanation` a sentence.
    """

    reconciliation: str
    side: str
    outcome: str
    rule: str | None
    break_class: str | None
    counterpart_feed: str | None
    counterpart: str | None
    match_ref: str | None
    match_count: int | None
    cleared_on: date | None
    due_on: date | None
    residual: Decimal | None
    answer: str | None
    explanation: str


@dataclass(frozen=True, slots=True)
class FoundLine:
    """One line with where it came from and what became of it.

    `found_as` is asked (it carries the reference) or matched (a match joins it to one that does);
    `details` are its kind's own columns as text, those without a value left out.
    """

    found_as: Literal["asked", "matched"]
    kind: Kind
    feed: str
    line_id: str
    file: str
    extract_sha256: str
    row_number: int
    received_on: date
    entity: str
    currency: str
    amount: Decimal
    occurred_on: date | None
    period: date
    details: Mapping[str, str]
    outcomes: tuple[LineOutcome, ...] = ()


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row in quarantine that holds the reference."""

    feed: str
    file: str
    row_number: int | None
    received_on: date
    line_id: str | None
    currency: str
    amount: Decimal
    reason: str
    column: str | None
    value: str | None
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class DeliveryCheck:
    """A comparison of a batch or an extract of that name; `break_class` is None where it holds."""

    feed: str
    file: str | None
    received_on: date
    check: str
    break_class: str | None
    explanation: str | None


@dataclass(frozen=True, slots=True)
class LookupResult:
    """All that is known of a reference.

    `left_out` counts the lines with the reference that are too many to show, `matched_left_out`
    those that they are matched with.
    """

    ref: str
    lines: tuple[FoundLine, ...]
    refused: tuple[RefusedRow, ...]
    deliveries: tuple[DeliveryCheck, ...]
    left_out: int = 0
    matched_left_out: int = 0

    @property
    def empty(self) -> bool:
        """Whether nothing at all is known."""
        return not (self.lines or self.refused or self.deliveries)

    def as_json(self) -> dict[str, object]:
        """The whole result as one JSON object; amounts are text."""
        return {
            "ref": self.ref,
            "lines": [_json(one, one.currency) for one in self.lines],
            "refused": [_json(one, one.currency) for one in self.refused],
            "deliveries": [_json(one, NO_CURRENCY) for one in self.deliveries],
            "left_out": self.left_out,
            "matched_left_out": self.matched_left_out,
        }


def _json(one: Any, currency: str) -> dict[str, object]:
    """A value of this module as JSON: dates in ISO form, amounts as text."""
    shown: dict[str, object] = {}
    for name in (f.name for f in fields(one)):
        value = getattr(one, name)
        if isinstance(value, Decimal):
            value = plain_amount(value, currency)
        elif isinstance(value, date):
            value = value.isoformat()
        elif isinstance(value, tuple):
            value = [_json(inner, currency) for inner in value]
        elif isinstance(value, Mapping):
            value = dict(value)
        shown[name] = value
    return shown
