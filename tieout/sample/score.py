"""How well the breaks found agree with the labels: precision and recall, class by class."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from pathlib import Path

from tieout.errors import TieoutError
from tieout.model import Break
from tieout.sample.labels import COLUMNS

_Key = tuple[str, str, str, str]
"""Reconciliation, class, side, line id: what a label and a break have to agree on."""


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class of one reconciliation: how many breaks were put in, found, and found rightly."""

    reconciliation: str
    break_class: str
    labelled: int
    found: int
    true_positives: int

    @property
    def precision(self) -> Decimal | None:
        """Share of the breaks found that were put in; None where none were found."""
        return _ratio(self.true_positives, self.found)

    @property
    def recall(self) -> Decimal | None:
        """Share of the breaks put in that were found; None where none were put in."""
        return _ratio(self.true_positives, self.labelled)


def score(labels: Path, breaks: Iterable[Break]) -> list[ClassScore]:
    """Score breaks against a labels file, by reconciliation and class; nothing is pooled.

    A line labelled or found twice counts twice. Raises TieoutError for a file that is no labels
    file.
    """
    put_in: Counter[_Key] = Counter(_read(labels))
    found: Counter[_Key] = Counter(
        (b.reconciliation, b.break_class, str(b.side), b.line_id) for b in breaks
    )
    rightly = put_in & found
    classes = sorted({key[:2] for key in (*put_in, *found)})
    return [
        ClassScore(*of, *(_count(counts, of) for counts in (put_in, found, rightly)))
        for of in classes
    ]


def _count(counts: Counter[_Key], of: tuple[str, str]) -> int:
    return sum(number for key, number in counts.items() if key[:2] == of)


def _read(labels: Path) -> Iterable[_Key]:
    with labels.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise TieoutError(
                "this is no labels file", f"its header is {','.join(COLUMNS)}", str(labels)
            )
        for row in rows:
            yield row["reconciliation"], row["class"], row["side"], row["line_id"]


def _ratio(part: int, whole: int) -> Decimal | None:
    """Rounded down, so that only what is perfect reads as 1."""
    if not whole:
        return None
    return (Decimal(part) / whole).quantize(Decimal("0.0001"), rounding=ROUND_DOWN)
