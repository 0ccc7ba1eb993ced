"""What a trace tells, as plain immutable values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Literal

StepKind = Literal["event", "line", "usage", "outcome", "refused", "delivery", "action"]
Said = Literal["yes", "no", "waiting", "failed"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened. `at` is a moment in UTC, or a day where no time of day is known.

    `system` is the feed or the reconciliation, `ref` the event, line or row, `notes` what else is
    known, a sentence each; `wrong` whether a person should look. `facts` are values for scripts.
    """

    at: datetime | date
    kind: StepKind
    system: str
    ref: str
    says: str
    amount: str | None = None
    currency: str | None = None
    notes: tuple[str, ...] = ()
    wrong: bool = False
    facts: Mapping[str, Any] | None = None

    @property
    def day(self) -> date:
        """The UTC day it happened."""
        return self.at.date() if isinstance(self.at, datetime) else self.at

    def as_json(self) -> dict[str, Any]:
        """With `at` in ISO form; amounts are text."""
        shown = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return shown | {
            "at": self.at.isoformat(),
            "notes": list(self.notes),
            "facts": dict(self.facts or {}),
        }


@dataclass(frozen=True, slots=True)
class Awaited:
    """What a subject's events let one expect of the batch (`what`), by when, and what met it."""

    entity: str
    kind: str
    ref: str
    what: str
    state: str
    due: datetime
    overdue: bool
    met_on: date | None
    met_by: str | None
    says: str

    def as_json(self) -> dict[str, Any]:
        """With moments in ISO form."""
        met_on = None if self.met_on is None else self.met_on.isoformat()
        return asdict(self) | {"due": self.due.isoformat(), "met_on": met_on}


@dataclass(frozen=True, slots=True)
class Subject:
    """An invoice, payment, payout or usage record, and what its events come to."""

    entity: str
    kind: str
    ref: str
    state: str
    amount: str | None
    currency: str | None
    events: int
    first_at: datetime
    last_at: datetime
    figures: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """With moments in ISO form; figures are as the register has them."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__} | {
            "first_at": self.first_at.isoformat(),
            "last_at": self.last_at.isoformat(),
            "figures": dict(self.figures),
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one of the questions a trace is asked for."""

    question: str
    answer: Said
    says: str


@dataclass(frozen=True, slots=True)
class Trace:
    """All that is known of a reference, across systems, in order of time.

    `followed` are the other references it led to; `batches` says what a batch carries beside what
    is shown, a sentence each; `left_out` says of what there is more than is
    shown, and how many.
    """

    ref: str
    at: datetime
    followed: tuple[str, ...]
    subjects: tuple[Subject, ...]
    steps: tuple[Step, ...]
    batches: tuple[str, ...]
    awaited: tuple[Awaited, ...]
    verdict: tuple[Answer, ...]
    left_out: Mapping[str, int]

    @property
    def empty(self) -> bool:
        """Whether nothing at all is known."""
        return not (self.steps or self.subjects or self.batches)

    def as_json(self) -> dict[str, Any]:
        """The whole trace as one JSON object."""
        return {
            "ref": self.ref,
            "at": self.at.isoformat(),
            "verdict": [asdict(one) for one in self.verdict],
            "subjects": [one.as_json() for one in self.subjects],
            "steps": [one.as_json() for one in self.steps],
            "batches": list(self.batches),
            "awaited": [one.as_json() for one in self.awaited],
            "followed": list(self.followed),
            "left_out": dict(self.left_out),
        }
