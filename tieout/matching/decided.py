"""What persons decided, as a run of a reconciliation sees it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from tieout.engine.duck import Engine
from tieout.money import FINE_AMOUNT
from tieout.register.decisions import Decision
from tieout.workplace import Workplace

BEFORE_DECISIONS = frozenset({"reversal"})
"""Names of passes whose matches no decision takes apart."""
_DECISION_LINE = {
    "decision": pl.Int64(),
    "kind": pl.String(),
    "label": pl.String(),
    "lines": pl.Int64(),
    "side": pl.String(),
    "feed": pl.String(),
    "line_id": pl.String(),
    "entity": pl.String(),
    "currency": pl.String(),
    "amount": FINE_AMOUNT,
    "break_class": pl.String(),
}
_NEWLY_DECIDED = {"side": pl.String(), "feed": pl.String(), "line_id": pl.String()}


@dataclass(frozen=True)
class Decided:
    """All decisions of a reconciliation in order, and the last one it has worked in (0: none)."""

    decisions: tuple[Decision, ...]
    consumed: int

    @classmethod
    def read(cls, workplace: Workplace, name: str, consumed: dict[tuple[str, str], int]) -> Decided:
        """As the register has them now; `consumed` is what the reconciliation has worked in."""
        return cls(tuple(workplace.register.decisions(name)), consumed.get(place(name), 0))

    @property
    def newest(self) -> int:
        """The number of the last decision, 0 where there is none."""
        return self.decisions[-1].id if self.decisions else 0

    @property
    def new(self) -> list[Decision]:
        """Decisions not yet worked in."""
        return [one for one in self.decisions if one.id > self.consumed]

    def show(self, engine: Engine) -> None:
        """Make tables decision_line (what stands) and newly_decided (lines to be worked again)."""
        rows = [
            (
                one.id,
                one.new.kind,
                one.new.label,
                len(one.new.lines),
                line.side,
                line.feed,
                line.line_id,
                line.entity,
                line.currency,
                line.amount,
                line.break_class,
            )
            for one in in_force(self.decisions)
            for line in one.new.lines
        ]
        engine.frame("decision_line", pl.DataFrame(rows, schema=_DECISION_LINE, orient="row"))
        named = sorted({(n.side, n.feed, n.line_id) for one in self.new for n in one.new.lines})
        engine.frame("newly_decided", pl.DataFrame(named, schema=_NEWLY_DECIDED, orient="row"))


def place(name: str) -> tuple[str, str]:
    """Where the register keeps how far a reconciliation has worked decisions in."""
    return f"decisions/{name}", "all"


def in_force(decisions: Sequence[Decision]) -> Iterable[Decision]:
    """Decisions that nobody has taken back; whether they still hold is another question."""
    gone = {one.new.takes_back for one in decisions}
    return [one for one in decisions if one.id not in gone and one.new.kind != "take_back"]
