"""Making decisions: what a person may decide about lines as they stand, recorded in the register.

A decision is worked in by the next run of its reconciliation; nothing published changes before.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from tieout.decisions.named import (
    Place,
    Row,
    as_decided,
    counts,
    decidable,
    full_name,
    one_line,
    outcomes_of,
    place,
    statement_versions,
    suggested,
)
from tieout.errors import RequestError
from tieout.matching import decided
from tieout.matching.decided import BEFORE_DECISIONS
from tieout.money import added, subtracted, text_amount
from tieout.periods import Period
from tieout.register.decisions import MATCHING, Decision, DecisionKind, NewDecision
from tieout.statement_inputs import delivered_through, reading
from tieout.workplace import Workplace

LABELS = ("fx", "fee", "rounding", "write_off", "tax")
"""What a residual that a person leaves may be."""
_LONGEST_REASON = 2000
_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Said:
    """Who decides, why, and what a residual is and on which ledger account it belongs."""

    who: str
    reason: str
    label: str | None = None
    account: str | None = None


def match(workplace: Workplace, name: str, lines: Sequence[str], said: Said) -> Decision:
    """Decide that lines (each `line_id` or `feed:line_id`) explain each other.

    Raises RequestError: unknown or ambiguous lines, two entities or currencies, amounts that do not
    tie without a label and an account, lines that cannot be taken.
    """
    decidable(workplace, name)
    rows = [one_line(workplace, name, text) for text in lines]
    return _match(workplace, name, "match", rows, said)


def accept(workplace: Workplace, text: str, said: Said, name: str | None = None) -> Decision:
    """Make a match of the suggested one that a line or reference names. Raises RequestError."""
    found, rows = suggested(workplace, decidable(workplace, name), text)
    _check_not_rejected(workplace, found, rows)
    label = said.label or next((row["label"] for row in rows if row["label"]), None)
    label = label if label in LABELS else said.label
    return _match(workplace, found, "accept_suggestion", rows, replace(said, label=label))


def reject(workplace: Workplace, text: str, said: Said, name: str | None = None) -> Decision:
    """Decide that exactly these lines are not to be suggested again. Raises RequestError."""
    found, rows = suggested(workplace, decidable(workplace, name), text)
    _check_free(workplace, found, rows)
    _check_not_rejected(workplace, found, rows)
    return _record(workplace, found, "reject_suggestion", rows, replace(said, label=None))


def accept_break(workplace: Workplace, text: str, said: Said, name: str | None = None) -> Decision:
    """Accept the break that a line is: it stays one, and says who accepted it and why.

    Raises RequestError where the line is no break, or one in several reconciliations.
    """
    names = decidable(workplace, name)
    found = {one: rows for one in names if (rows := outcomes_of(workplace, one, text))}
    if not found:
        raise RequestError(
            f"no line {text!r} takes part in {' or '.join(names)}",
            "write line_id or feed:line_id as `tieout breaks` shows it; breaks of a delivery are "
            "settled by its sender",
        )
    broken = {one: due for one, rows in found.items() if (due := _breaks(workplace, one, rows))}
    if not broken:
        raise RequestError(f"{text!r} is no break: {_why_no_break(found)}", "")
    if len(broken) > 1:
        raise RequestError(
            f"{text!r} is a break of {' and of '.join(broken)}", "say which with --reconciliation"
        )
    ((name, rows),) = broken.items()
    _check_free(workplace, name, rows)
    waiting = _waiting(workplace, name, {"accept_break"})
    numbers = [row["decision"] or waiting.get(place(row)) for row in rows]
    accepted = next((number for number in numbers if number is not None), None)
    if accepted is not None:
        raise RequestError(
            f"{text!r} is accepted already, by decision {accepted}",
            f"take that back first: `tieout decide undo {accepted} --reason ...`",
        )
    return _record(workplace, name, "accept_break", rows, said)


def accept_breaks(
    workplace: Workplace,
    name: str,
    period: Period,
    said: Said,
    *,
    entity: str | None = None,
    break_class: str | None = None,
) -> Decision:
    """Accept every break of lines in a period that nobody has decided upon, in one decision.

    Raises RequestError where there is none.
    """
    decidable(workplace, name)
    waiting = _waiting(workplace, name, {"accept_break"})
    with reading(workplace, name, [period]) as (engine, through):
        found = engine.table("breaks", **through.parameters()).to_dicts()
    rows = [
        row
        for row in found
        if row["decision"] is None
        and place(row) not in waiting
        and entity in (None, row["entity"])
        and break_class in (None, row["break_class"])
    ]
    if not rows:
        raise RequestError(
            f"{name} has no break in {period} that waits for a person",
            "see `tieout breaks`; what was decided a moment ago waits for the next run",
        )
    return _record(workplace, name, "accept_break", rows, said)


def take_back(workplace: Workplace, number: int, said: Said) -> Decision:
    """End a decision; its lines are worked again as if it had never been. Raises RequestError."""
    known = {one.id: one for one in workplace.register.decisions()}
    one = known.get(number)
    if one is None or one.new.kind == "take_back":
        raise RequestError(
            f"there is no decision {number} to take back"
            if one is None
            else f"decision {number} took another one back; that cannot be undone",
            "see `tieout decide list`; what was taken back may be decided again",
        )
    who, reason = _checked(said)
    return workplace.register.decide(
        NewDecision(
            reconciliation=one.new.reconciliation,
            kind="take_back",
            lines=one.new.lines,
            reason=reason,
            who=who,
            statement_versions=_versions_of(workplace, one),
            takes_back=number,
        )
    )


def _versions_of(workplace: Workplace, one: Decision) -> dict[str, int]:
    days = sorted({line.period.isoformat() for line in one.new.lines})
    heads = workplace.register.heads(f"outcomes/{one.new.reconciliation}", days)
    return {day: head.version for day, head in heads.items()}


def _match(
    workplace: Workplace, name: str, kind: DecisionKind, rows: Sequence[Row], said: Said
) -> Decision:
    if len({place(row) for row in rows}) < max(2, len(rows)):
        raise RequestError(
            "a match needs at least two lines, each named once", "name all lines of the match"
        )
    for what, columns in (("entities", "entity"), ("currencies", "currency")):
        different = sorted({row[columns] for row in rows})
        if len(different) > 1:
            raise RequestError(
                f"the lines are of several {what}: {', '.join(different)}",
                f"match lines of one {columns} only",
            )
    _check_free(workplace, name, rows)
    return _record(
        workplace, name, kind, rows, _explained(workplace, rows, said), residual_of(rows)
    )


def residual_of(rows: Sequence[Row]) -> Decimal:
    """What the lines leave: targets less sources."""
    left = Decimal(0)
    for row in rows:
        step = added if row["side"] == "target" else subtracted
        left = step(left, row["amount"])
    return left


def _explained(workplace: Workplace, rows: Sequence[Row], said: Said) -> Said:
    """What is said of the residual; nothing where there is none. Raises RequestError."""
    left, entity, currency = residual_of(rows), rows[0]["entity"], rows[0]["currency"]
    if not left:
        if said.account:
            raise RequestError("the amounts tie: there is nothing to label", "leave --account out")
        return replace(said, label=None)
    if said.label is None or not said.account:
        raise RequestError(
            f"the amounts do not tie: targets less sources leave {text_amount(left, currency)} "
            f"{currency}",
            f"add the lines that are missing, or say what it is with --label "
            f"{'|'.join(LABELS)} and --account",
        )
    charted = workplace.settings.accounts.keys() & {entity, "*"}
    if charted and workplace.settings.account_class(entity, said.account) is None:
        raise RequestError(
            f"{entity} has no account {said.account!r}",
            "name one that tieout.yaml lists under accounts",
        )
    return said


def _check_free(workplace: Workplace, name: str, rows: Sequence[Row]) -> None:
    """Refuse lines that a decision has taken already, or that their reversal cancels."""
    waiting = _waiting(workplace, name, MATCHING)
    for row in rows:
        if row["pass"] in BEFORE_DECISIONS:
            raise RequestError(
                f"{full_name(row)} and its reversal cancel each other", "leave it out"
            )
        by_hand = row["decision"] if row["outcome"] == "matched" else None
        earlier = by_hand if by_hand is not None else waiting.get(place(row))
        if earlier is not None:
            raise RequestError(
                f"{full_name(row)} is matched by decision {earlier} already",
                f"take that back first: `tieout decide undo {earlier} --reason ...`",
            )


def _check_not_rejected(workplace: Workplace, name: str, rows: Sequence[Row]) -> None:
    """Refuse exactly the lines that a decision rejects which no run has worked in yet."""
    waiting = _waiting(workplace, name, {"reject_suggestion"})
    numbers = {waiting.get(place(row)) for row in rows}
    number = numbers.pop() if len(numbers) == 1 else None
    if number is not None and sum(one == number for one in waiting.values()) == len(rows):
        raise RequestError(
            f"this match is rejected already, by decision {number}",
            f"take that back first: `tieout decide undo {number} --reason ...`",
        )


def _waiting(workplace: Workplace, name: str, kinds: Collection[DecisionKind]) -> dict[Place, int]:
    """Lines of decisions that no run has worked in yet, with the number of the decision."""
    worked_in = workplace.register.consumed(f"reconcile.{name}").get(decided.place(name), 0)
    return {
        (line.side, line.feed, line.line_id): one.id
        for one in decided.in_force(workplace.register.decisions(name))
        if one.new.kind in kinds and one.id > worked_in
        for line in one.new.lines
    }


def _breaks(workplace: Workplace, name: str, rows: Sequence[Row]) -> list[Row]:
    """Those outcomes that the other side can no longer answer."""
    through = delivered_through(workplace, name).parameters()
    ends = {"source": through["target_through"], "target": through["source_through"]}
    return [r for r in rows if r["outcome"] == "open" and r["due_on"] <= ends[r["side"]]]


def _why_no_break(found: dict[str, list[Row]]) -> str:
    told = []
    for name, rows in found.items():
        row = next((one for one in rows if counts(one)), rows[0])
        if row["outcome"] == "matched":
            told.append(f"{name} has it matched by {row['pass']}")
        else:
            told.append(f"in {name} it waits for its counterpart until {row['due_on']}")
    return "; ".join(told)


def _record(
    workplace: Workplace,
    name: str,
    kind: DecisionKind,
    rows: Sequence[Row],
    said: Said,
    residual: Decimal | None = None,
) -> Decision:
    who, reason = _checked(said)
    with_class = kind == "accept_break"
    return workplace.register.decide(
        NewDecision(
            reconciliation=name,
            kind=kind,
            lines=tuple(as_decided(row, with_class=with_class) for row in rows),
            reason=reason,
            who=who,
            residual=residual or None,
            label=said.label,
            account=said.account,
            statement_versions=statement_versions(workplace, name, rows),
        )
    )


def _checked(said: Said) -> tuple[str, str]:
    """Who and why, without the spaces around them. Raises RequestError where one is missing."""
    who, reason = said.who.strip(), said.reason.strip()
    for what, text, most in (("name", who, _LONGEST_NAME), ("reason", reason, _LONGEST_REASON)):
        if not 0 < len(text) <= most:
            raise RequestError(
                f"a decision needs a {what} of 1 to {most} characters",
                "say who with --by" if what == "name" else "say why with --reason",
            )
    return who, reason
