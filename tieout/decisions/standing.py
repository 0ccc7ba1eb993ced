"""Whether decisions hold: read from the published outcomes, so that it is what a run has found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from tieout.decisions.named import Place, Row, counts, outcomes_where, place
from tieout.matching import decided
from tieout.money import plain_amount, text_amount
from tieout.register.decisions import MATCHING, DecidedLine, Decision, line_as_json
from tieout.workplace import Workplace

State = Literal["standing", "void", "taken back", "waiting"]


@dataclass(frozen=True, slots=True)
class Stated:
    """A decision and how it stands; `why` says so where it is not simply standing.

    Waiting: no run has worked it in yet. Void: it was, and does not hold; it will hold again by
    itself when its lines are again what they were.
    """

    decision: Decision
    state: State
    why: str = ""

    def as_json(self) -> dict[str, object]:
        """The decision as one JSON object; amounts are text, the moment is UTC."""
        new = self.decision.new
        currency = new.lines[0].currency
        return {
            "id": self.decision.id,
            "reconciliation": new.reconciliation,
            "kind": new.kind,
            "state": self.state,
            "why": self.why,
            "lines": [line_as_json(line) for line in new.lines],
            "residual": None if new.residual is None else plain_amount(new.residual, currency),
            "label": new.label,
            "account": new.account,
            "reason": new.reason,
            "by": new.who,
            "decided_at": self.decision.decided_at.isoformat(),
            "statement_versions": dict(new.statement_versions),
            "takes_back": new.takes_back,
        }


def stated(workplace: Workplace, names: Iterable[str] | None = None) -> list[Stated]:
    """How every decision of the reconciliations (None: of all there are) stands, by number."""
    wanted = None if names is None else set(names)
    by_name: dict[str, list[Decision]] = {}
    for one in workplace.register.decisions():
        if wanted is None or one.new.reconciliation in wanted:
            by_name.setdefault(one.new.reconciliation, []).append(one)
    found = [s for name, some in by_name.items() for s in _of(workplace, name, some)]
    return sorted(found, key=lambda s: s.decision.id)


def _of(workplace: Workplace, name: str, decisions: Sequence[Decision]) -> Iterator[Stated]:
    gone = {one.new.takes_back: one for one in decisions if one.new.takes_back is not None}
    worked_in = workplace.register.consumed(f"reconcile.{name}").get(decided.place(name), 0)
    outcomes = _outcomes(workplace, name, decided.in_force(decisions))
    known = _known(workplace, decided.in_force(decisions))
    for one in decisions:
        if (by := gone.get(one.id)) is not None:
            yield Stated(one, "taken back", f"by {by.new.who}, decision {by.id}: {by.new.reason}")
        elif one.new.kind == "take_back":
            yield Stated(one, "standing")
        elif name not in workplace.settings.reconciliations:
            yield Stated(one, "void", f"{name} is not configured any more")
        elif one.id > worked_in:
            yield Stated(one, "waiting", "for the next run")
        elif why := list(_against(one, outcomes, known)):
            yield Stated(one, "void", "; ".join(why))
        else:
            yield Stated(one, "standing")


def _outcomes(
    workplace: Workplace, name: str, decisions: Iterable[Decision]
) -> dict[Place, list[Row]]:
    ids = sorted({line.line_id for one in decisions for line in one.new.lines})
    found: dict[Place, list[Row]] = {}
    if ids:
        for row in outcomes_where(workplace, name, pl.col("line_id").is_in(ids)):
            found.setdefault(place(row), []).append(row)
    return found


def _known(workplace: Workplace, decisions: Iterable[Decision]) -> set[tuple[str, str]]:
    """Which of the lines decided upon their feeds still deliver, by feed and line_id."""
    ids: dict[str, set[str]] = {}
    for one in decisions:
        for line in one.new.lines:
            ids.setdefault(line.feed, set()).add(line.line_id)
    found: set[tuple[str, str]] = set()
    for feed, some in ids.items():
        heads = workplace.register.heads(f"lines/{feed}")
        if paths := workplace.store.paths(head for head in heads.values() if head.rows):
            scan = pl.scan_parquet(paths).filter(pl.col("line_id").is_in(sorted(some)))
            found |= set(scan.select("feed", "line_id").collect(engine="streaming").rows())
    return found


def _against(
    one: Decision, outcomes: Mapping[Place, Sequence[Row]], known: set[tuple[str, str]]
) -> Iterator[str]:
    """What speaks against a decision, a sentence for each of its lines; none where it holds."""
    held, told = 0, 0
    for line in one.new.lines:
        rows = outcomes.get((line.side, line.feed, line.line_id), ())
        if one.new.kind != "reject_suggestion" and any(row["decision"] == one.id for row in rows):
            held += 1
            continue
        row = next((r for r in rows if counts(r)), rows[0] if rows else None)
        said = _of_line(one, line, row, known)
        if said:
            told += 1
            yield f"{line.feed}:{line.line_id} {said}"
    if one.new.kind in MATCHING and not told and held < len(one.new.lines):
        yield "its lines are not matched with each other"


def _of_line(
    one: Decision, line: DecidedLine, row: Row | None, known: set[tuple[str, str]]
) -> str | None:
    """Why a line is not as it was decided upon, None where it is."""
    if row is None:
        there = (line.feed, line.line_id) in known
        return "does not take part any more" if there else "is no longer delivered"
    if (changed := _changed(line, row)) is not None:
        return changed
    if one.new.kind in MATCHING:
        return _taken(row)
    if one.new.kind == "accept_break":
        return _no_longer(line, row)
    return None


def _changed(line: DecidedLine, row: Row) -> str | None:
    if line.currency != row["currency"]:
        return f"changed its currency from {line.currency} to {row['currency']}"
    if line.amount != row["amount"]:
        old, new = (text_amount(a, line.currency) for a in (line.amount, row["amount"]))
        return f"changed its amount from {old} to {new} {line.currency}"
    if line.entity != row["entity"]:
        return f"changed its entity from {line.entity} to {row['entity']}"
    return None


def _taken(row: Row) -> str | None:
    if row["outcome"] == "matched" and row["decision"] is not None:
        return f"is matched by decision {row['decision']} already"
    if row["pass"] in decided.BEFORE_DECISIONS:
        return "was reversed, and cancels with its reversal"
    return None


def _no_longer(line: DecidedLine, row: Row) -> str:
    if row["outcome"] == "matched":
        return f"is matched now, by {row['pass']} with {row['counterpart']}"
    if row["break_class"] != line.break_class:
        return f"was {line.break_class} and is {row['break_class']} now"
    return f"is accepted by decision {row['decision']} too"
