"""Recording what persons decide about lines, and reading it back. Rows are only ever added."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tieout.errors import RequestError, TieoutError
from tieout.money import exact, plain_amount
from tieout.register.audited import about
from tieout.register.chain import append
from tieout.register.records import checked_key
from tieout.register.schema import decision

DecisionKind = Literal[
    "match", "accept_suggestion", "reject_suggestion", "accept_break", "take_back"
]
MATCHING: frozenset[DecisionKind] = frozenset({"match", "accept_suggestion"})
"""Kinds that make a match of their lines."""


@dataclass(frozen=True, slots=True)
class DecidedLine:
    """A line as it was when it was decided upon; the amount in the sign of its side.

    `break_class` is that of an accepted break, None for every other kind of decision.
    """

    side: str
    feed: str
    line_id: str
    entity: str
    currency: str
    amount: Decimal
    period: date
    break_class: str | None = None


@dataclass(frozen=True, slots=True)
class NewDecision:
    """What a person decides.

    `residual` is what the amounts of a match leave (targets less sources), `label` and `account`
    say what that is; all three None where the amounts tie. `statement_versions`: the published
    version of the outcomes by day, as the person saw them. `takes_back` is the number of the
    decision that ends, of the kind take_back only, with that decision's lines.
    """

    reconciliation: str
    kind: DecisionKind
    lines: tuple[DecidedLine, ...]
    reason: str
    who: str
    residual: Decimal | None = None
    label: str | None = None
    account: str | None = None
    statement_versions: Mapping[str, int] = field(default_factory=dict)
    takes_back: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision as recorded: numbers grow with time, `decided_at` is UTC."""

    id: int
    decided_at: datetime
    new: NewDecision


def record(
    connection: Connection, new: NewDecision, clock: Callable[[Connection], datetime]
) -> Decision:
    """Add a decision. Raises RequestError where what it takes back is gone already."""
    checked_key(new.reconciliation, "reconciliation")
    if not new.lines:
        raise TieoutError("a decision about no lines", "name the lines")
    _one_at_a_time(connection, new.reconciliation)
    if new.takes_back is not None:
        _check_taken_back(connection, new)
    moment = clock(connection)
    row = {**_row(new), "decided_at": moment}
    made = connection.execute(sa.insert(decision).values(**row))
    assert made.inserted_primary_key is not None
    row["id"] = int(made.inserted_primary_key[0])
    append(connection, "decision", [about("decision", row)], moment)
    return Decision(row["id"], moment, new)


def recorded(
    connection: Connection, reconciliation: str | None, by: datetime | None = None
) -> list[Decision]:
    """Every decision of a reconciliation (None: of all), in order of their numbers.

    `by` leaves out what was decided after that moment; so a decision taken back later stands.
    """
    statement = sa.select(decision).order_by(decision.c.id)
    if by is not None:
        statement = statement.where(decision.c.decided_at <= by)
    if reconciliation is not None:
        statement = statement.where(decision.c.reconciliation == reconciliation)
    return [_decision(row) for row in connection.execute(statement).mappings()]


def _check_taken_back(connection: Connection, new: NewDecision) -> None:
    c = decision.c
    kinds = sa.select(c.kind).where(
        c.id == new.takes_back, c.reconciliation == new.reconciliation, c.kind != "take_back"
    )
    if connection.execute(kinds).scalar() is None:
        raise RequestError(
            f"decision {new.takes_back} is none that can be taken back",
            "see the numbers in `tieout decide list`",
        )
    before = sa.select(c.id).where(c.takes_back == new.takes_back)
    if (by := connection.execute(before).scalar()) is not None:
        raise RequestError(f"decision {new.takes_back} was taken back already, by {by}", "")


def _one_at_a_time(connection: Connection, reconciliation: str) -> None:
    """On PostgreSQL a number given out early may become visible late: a run would pass it over."""
    if connection.dialect.name == "postgresql":
        digest = hashlib.sha256(f"decision/{reconciliation}".encode()).digest()
        key = int.from_bytes(digest[:8], "big", signed=True)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def _row(new: NewDecision) -> dict[str, Any]:
    return {
        "reconciliation": new.reconciliation,
        "kind": new.kind,
        "lines": [line_as_json(line) for line in new.lines],
        "residual": None if new.residual is None else f"{new.residual:f}",
        "label": new.label,
        "account": new.account,
        "reason": new.reason,
        "who": new.who,
        "statement_versions": dict(new.statement_versions),
        "takes_back": new.takes_back,
    }


def line_as_json(line: DecidedLine) -> dict[str, str]:
    """The line as one JSON object; the amount is text, an empty break class is left out."""
    told = {
        "side": line.side,
        "feed": line.feed,
        "line_id": line.line_id,
        "entity": line.entity,
        "currency": line.currency,
        "amount": plain_amount(line.amount, line.currency),
        "period": line.period.isoformat(),
    }
    return told if line.break_class is None else told | {"break_class": line.break_class}


def _decision(row: Any) -> Decision:
    new = NewDecision(
        reconciliation=row["reconciliation"],
        kind=row["kind"],
        lines=tuple(
            DecidedLine(
                **line
                | {"amount": exact(line["amount"]), "period": date.fromisoformat(line["period"])}
            )
            for line in row["lines"]
        ),
        reason=row["reason"],
        who=row["who"],
        residual=None if row["residual"] is None else exact(row["residual"]),
        label=row["label"],
        account=row["account"],
        statement_versions=row["statement_versions"],
        takes_back=row["takes_back"],
    )
    return Decision(row["id"], row["decided_at"], new)
