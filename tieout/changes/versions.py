"""Versions of a statement: those of a day as published, of a month whenever one of its days is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from tieout.errors import RequestError
from tieout.known import moment_text
from tieout.periods import DAY_FORMAT, Period
from tieout.statement_inputs import base_of
from tieout.workplace import Workplace


@dataclass(frozen=True, slots=True)
class Version:
    """A state of the statements of a period: number (None for a moment that was asked for), moment.

    `days` are those published anew with it, `breaks`, `timing` and `unexplained` (statements that
    do not hold) are over all days of the period, both sides, as published.
    """

    number: int | None
    moment: datetime
    run_id: str = ""
    days: tuple[str, ...] = ()
    breaks: int = 0
    timing: int = 0
    unexplained: int = 0

    def __str__(self) -> str:
        when = moment_text(self.moment)
        return when if self.number is None else f"version {self.number} ({when})"

    def as_json(self) -> dict[str, object]:
        """The version as one JSON object; the moment is ISO in UTC."""
        return {
            "version": self.number,
            "moment": self.moment.isoformat(),
            "run": self.run_id,
            "days": list(self.days),
            "breaks": self.breaks,
            "timing": self.timing,
            "statements_unexplained": self.unexplained,
        }


def versions(workplace: Workplace, name: str, period: Period) -> list[Version]:
    """The versions of a reconciliation's statements of a period, the first one first.

    Raises RequestError for an unknown reconciliation.
    """
    base_of(workplace, name)
    days = [f"{day:{DAY_FORMAT}}" for day in period.days()]
    published = workplace.register.history(f"statements/{name}", days)
    found: list[Version] = []
    known: dict[str, dict[str, int]] = {}
    for moment, some in groupby(published, key=lambda one: one.published_at):
        new = list(some)
        for one in new:
            known[one.partition] = {n: one.totals.get(n, 0) for n in _COUNTED}
        found.append(
            Version(
                number=len(found) + 1,
                moment=moment,
                run_id=new[-1].run_id,
                days=tuple(sorted({one.partition for one in new})),
                **{n: sum(totals[n] for totals in known.values()) for n in _COUNTED},
            )
        )
    return found


_COUNTED = ("breaks", "timing", "unexplained")


def numbered(found: Sequence[Version], number: int | None, what: str) -> Version:
    """The version of a number, None: the last one. Raises RequestError where there is none."""
    if not found:
        raise RequestError(
            f"{what} has not been published yet", "run its days first: `tieout run --from ...`"
        )
    number = len(found) if number is None else number
    if not 1 <= number <= len(found):
        told = f"versions are 1 to {len(found)}" if len(found) > 1 else "there is version 1 only"
        raise RequestError(
            f"{what} has no version {number}; {told}", "see them with `tieout diff ... --list`"
        )
    return found[number - 1]
