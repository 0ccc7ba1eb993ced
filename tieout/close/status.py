"""How each month of each entity stands, and whether every signature still holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from tieout.close.history import Act, Done, State, asked_to_reopen, history, state_of
from tieout.close.signatures import named_after, signer, text_to_sign
from tieout.errors import TieoutError
from tieout.periods import Period, month_of
from tieout.workplace import Workplace


@dataclass(frozen=True, slots=True)
class Month:
    """A month of an entity: `act` led to its state; `note` says what else there is to know."""

    entity: str
    month: Period
    state: State
    act: Act | None
    who: str | None
    done_at: datetime | None
    package_sha256: str | None
    note: str

    def as_json(self) -> dict[str, object]:
        """The month as one JSON object."""
        return {
            "entity": self.entity,
            "month": str(self.month),
            "state": self.state,
            "act": self.act,
            "who": self.who,
            "done_at": None if self.done_at is None else self.done_at.isoformat(),
            "package_sha256": self.package_sha256,
            "note": self.note,
        }


def months(workplace: Workplace, entity: str | None = None) -> list[Month]:
    """Every month that is over, from the calendar's start, by entity."""
    entities = [entity] if entity else sorted(workplace.settings.entities)
    return [
        _month(one, month, history(workplace.register, one, month))
        for one in entities
        for month in months_since(workplace.settings.calendar.start)
    ]


def months_since(start: date) -> list[Period]:
    """Months that are over, from the one of a day on."""
    found, month = [], month_of(start)
    while month.last < datetime.now(UTC).date():
        found.append(month)
        month = following(month)
    return found


def following(month: Period) -> Period:
    """The month after."""
    first = month.first
    return month_of(date(first.year + first.month // 12, first.month % 12 + 1, 1))


def _month(entity: str, month: Period, acts: list[Done]) -> Month:
    state, by = state_of(acts)
    note = ""
    if state == "approved" and (asked := asked_to_reopen(acts)) is not None:
        note = f"{asked.who} asks to reopen it: {asked.reason}"
    elif by is not None and by.act in ("void", "reopen"):
        note = by.reason or ""
    if by is None:
        return Month(entity, month, state, None, None, None, None, note)
    return Month(entity, month, state, by.act, by.who, by.done_at, by.package_sha256, note)


@dataclass(frozen=True, slots=True)
class Proofs:
    """What became of checking signatures again: how many there are, and a sentence for each that
    does not hold.
    """

    checked: int
    wrong: list[str]


def check_proofs(workplace: Workplace) -> Proofs:
    """Check that the signature of every act is of what the register says, by who it says."""
    checked, wrong = 0, []
    allowed = workplace.settings.close.signers(workplace.settings.base)
    for entity in sorted(workplace.settings.entities):
        for month in months_since(workplace.settings.calendar.start):
            before = named_after(None, None)
            for one in history(workplace.register, entity, month):
                if one.proven_by == "ssh":
                    checked += 1
                    text = text_to_sign(
                        one.act,
                        workplace.settings.company,
                        entity,
                        str(month),
                        one.package_sha256 or "-",
                        before,
                        one.reason or "",
                    )
                    try:
                        by = signer(text, one.proof or "", allowed, one.done_at)
                    except TieoutError as problem:
                        wrong.append(f"{month} of {entity}, {one.act}: {problem.problem}")
                    else:
                        if by != one.principal:
                            wrong.append(f"{month} of {entity}, {one.act}: signed by {by}")
                before = named_after(one.id, one.proof)
    return Proofs(checked, wrong)
