"""What every act of closing is checked against, and how it is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tieout.close.history import Act, Done, State, acts_on, done, state_of
from tieout.close.package import Package
from tieout.close.settings import Person, Role
from tieout.close.signatures import named_after, text_to_sign
from tieout.errors import RequestError
from tieout.periods import Period
from tieout.register.audited import about
from tieout.register.chain import append
from tieout.register.closetables import close_action
from tieout.workplace import Workplace

_ROLE: dict[Act, Role | None] = {
    "prepare": "preparer",
    "approve": "approver",
    "ask_reopen": None,
    "reopen": "approver",
}


@dataclass(frozen=True, slots=True)
class Proven:
    """Who acts, and how that is proven: by `ssh` (the proof is a signature) or by a `proxy`."""

    principal: str
    proven_by: Literal["ssh", "proxy"]
    proof: str | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """An act that waits for its proof: `text` is what is signed."""

    act: Act
    package: Package
    package_sha256: str
    reason: str
    text: str


class NotAllowedError(RequestError):
    """Who acts may not do this; another person may."""


def check_unchanged(connection: Connection, what: Pending, workplace: Workplace) -> None:
    """Refuse an act where another one came first: what was signed follows something else."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("LOCK TABLE close_action IN SHARE ROW EXCLUSIVE MODE"))
    entity, month = what.package.entity, str(what.package.month)
    acts = acts_on(connection, entity, month)
    check_state(what.act, state_of(acts)[0], entity, what.package.month)
    text = text_to_sign(
        what.act,
        workplace.settings.company,
        entity,
        month,
        what.package_sha256,
        last_of(acts),
        what.reason,
    )
    if text != what.text:
        raise RequestError("another act came first", "look at `tieout close status`, and sign anew")


def record(connection: Connection, what: Pending, by: Proven, person: Person, at: datetime) -> Done:
    """Add a person's act, in the caller's transaction."""
    values: dict[str, Any] = {
        "entity": what.package.entity,
        "month": str(what.package.month),
        "action": what.act,
        "package_sha256": what.package_sha256,
        "who": person.name,
        "principal": by.principal,
        "proven_by": by.proven_by,
        "proof": by.proof,
        "reason": what.reason or None,
        "done_at": at,
    }
    return done(add_act(connection, values))


def add_act(connection: Connection, values: dict[str, Any]) -> dict[str, Any]:
    """Add an act and its audit entry; its row."""
    made = connection.execute(sa.insert(close_action).values(**values))
    assert made.inserted_primary_key is not None
    row = {**values, "id": int(made.inserted_primary_key[0])}
    append(connection, "close_action", [about("close_action", row)], values["done_at"])
    return row


def last_of(acts: Sequence[Done]) -> str:
    """How a text names the act that comes before it."""
    return named_after(acts[-1].id, acts[-1].proof) if acts else named_after(None, None)


def person_of(workplace: Workplace, by: Proven, act: Act) -> Person:
    """Who acts. Raises NotAllowedError for a stranger and for who has not the role."""
    known = workplace.settings.close.people
    person = known.get(by.principal)
    if person is None:
        raise NotAllowedError(
            f"{by.principal} is nobody who closes months", "add them under close.people"
        )
    role = _ROLE[act]
    if role is not None and role not in person.roles:
        raise NotAllowedError(
            f"{person.name} does not have the role {role}", f"somebody who has it must {act}"
        )
    return person


def check_names(workplace: Workplace, entity: str, month: Period) -> None:
    """Raises RequestError for an entity that is not there, and for what is no month."""
    if entity not in workplace.settings.entities:
        known = ", ".join(workplace.settings.entities)
        raise RequestError(f"no entity {entity!r}", f"there are {known}")
    if not month.is_month:
        raise RequestError(f"{month} is no month", "write it like 2026-10")


def check_state(act: Act, state: State, entity: str, month: Period) -> None:
    """Raises RequestError where a month's state does not allow an act."""
    wanted: dict[Act, tuple[State, ...]] = {
        "prepare": ("open", "prepared"),
        "approve": ("prepared",),
        "ask_reopen": ("approved",),
        "reopen": ("approved",),
    }
    if state not in wanted[act]:
        raise RequestError(
            f"{month} of {entity} is {state}: it cannot be {_PAST[act]}",
            "see `tieout close status`",
        )


_PAST: dict[Act, str] = {
    "prepare": "prepared",
    "approve": "approved",
    "ask_reopen": "reopened",
    "reopen": "reopened",
}


def check_reason(reason: str) -> None:
    """Raises RequestError without a reason."""
    if not 0 < len(reason.strip()) <= 2000:
        raise RequestError("this needs a reason of 1 to 2000 characters", "say why with --reason")
