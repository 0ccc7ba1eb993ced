"""Proposed journals, and breaks that no journal is proposed for, as plain immutable values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from tieout.errors import TieoutError
from tieout.money import added, minor_units, plain_amount
from tieout.periods import Period


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One line of a journal; `amount` is debit less credit. The references are those by which the
    posting will be matched, `reversal_of` the journal whose posting the line takes back.
    """

    account: str
    account_class: str | None
    amount: Decimal
    line_ref: str | None = None
    document_ref: str | None = None
    batch_ref: str | None = None
    category: str | None = None
    reversal_of: str | None = None

    def as_json(self, currency: str) -> dict[str, object]:
        """The line as one JSON object; debit and credit are text, one of them null."""
        shown = plain_amount(self.amount.copy_abs(), currency)
        return {
            "account": self.account,
            "account_class": self.account_class,
            "debit": shown if self.amount > 0 else None,
            "credit": shown if self.amount < 0 else None,
            "line_ref": self.line_ref,
            "document_ref": self.document_ref,
            "batch_ref": self.batch_ref,
            "category": self.category,
            "reversal_of": self.reversal_of,
        }


@dataclass(frozen=True, slots=True)
class Journal:
    """A balanced journal of one entity, currency and day.

    `external_id` is the idempotency key: the same for the same difference whenever it is proposed,
    another as soon as a line or an amount is another. Several `reconciliations` where one journal
    is what each of them lacks. Raises TieoutError if it does not balance, or has a line of nothing
    or of an amount finer than the minor unit.
    """

    external_id: str
    reconciliations: tuple[str, ...]
    classes: tuple[str, ...]
    entity: str
    subsidiary: str
    currency: str
    day: date
    memo: str
    lines: tuple[JournalLine, ...]

    def __post_init__(self) -> None:
        left = sum_of([line.amount for line in self.lines])
        if left or not self.lines:
            raise TieoutError(
                f"journal {self.external_id} does not balance: {left} {self.currency} are left",
                "this is a fault of Tieout; report it with `tieout --version`",
            )
        for line in self.lines:
            if not line.amount or is_finer(line.amount, self.currency):
                raise TieoutError(
                    f"journal {self.external_id} has a line of {line.amount} {self.currency}",
                    "this is a fault of Tieout; report it with `tieout --version`",
                )

    @property
    def total(self) -> Decimal:
        """The sum of its debits."""
        return sum_of([line.amount for line in self.lines if line.amount > 0])

    def as_json(self) -> dict[str, object]:
        """The journal as one JSON object; amounts are text."""
        return {
            "external_id": self.external_id,
            "reconciliations": list(self.reconciliations),
            "classes": list(self.classes),
            "entity": self.entity,
            "subsidiary": self.subsidiary,
            "currency": self.currency,
            "date": self.day.isoformat(),
            "memo": self.memo,
            "total": plain_amount(self.total, self.currency),
            "lines": [line.as_json(self.currency) for line in self.lines],
        }


@dataclass(frozen=True, slots=True)
class Counted:
    """A number of differences of one reconciliation and class: breaks, or residuals of matches
    (class `residual`). `reason` says why no journal is proposed for them; "" where one is.
    """

    reconciliation: str
    break_class: str
    reason: str
    count: int

    def as_json(self) -> dict[str, object]:
        """The count as one JSON object."""
        return {
            "reconciliation": self.reconciliation,
            "class": self.break_class,
            "reason": self.reason or None,
            "count": self.count,
        }


RESIDUAL = "residual"
"""Stands for a class where a match left a difference; that is no break."""


@dataclass(frozen=True, slots=True)
class Proposals:
    """What is proposed for a period, and what is not.

    Every break of the period is counted once, among `proposed` or among `not_proposed`.
    """

    period: Period
    journals: tuple[Journal, ...]
    proposed: tuple[Counted, ...]
    not_proposed: tuple[Counted, ...]

    @property
    def breaks(self) -> int:
        """Breaks of the period: those with and those without a journal."""
        return breaks_in(self.proposed) + breaks_in(self.not_proposed)

    def as_json(self) -> dict[str, object]:
        """All of it as one JSON object."""
        return {
            "period": str(self.period),
            "breaks": self.breaks,
            "breaks_with_a_journal": breaks_in(self.proposed),
            "breaks_without": breaks_in(self.not_proposed),
            "journals": [one.as_json() for one in self.journals],
            "proposed": [one.as_json() for one in self.proposed],
            "not_proposed": [one.as_json() for one in self.not_proposed],
        }


def breaks_in(counts: Sequence[Counted]) -> int:
    """The number of breaks, without residuals of matches."""
    return sum(one.count for one in counts if one.break_class != RESIDUAL)


def sum_of(amounts: Sequence[Decimal]) -> Decimal:
    """The exact sum."""
    result = Decimal(0)
    for amount in amounts:
        result = added(result, amount)
    return result


def is_finer(amount: Decimal, currency: str) -> bool:
    """Whether an amount has digits below the currency's minor unit: nobody can post it."""
    _, _, fraction = f"{amount:f}".partition(".")
    return len(fraction.rstrip("0")) > minor_units(currency)
