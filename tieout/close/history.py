"""What was done to close a month, and the state that it leads to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tieout.periods import Period
from tieout.register.closetables import close_action
from tieout.register.register import Register

Act = Literal["prepare", "approve", "ask_reopen", "reopen", "void"]
State = Literal["open", "prepared", "approved"]
_LEADS_TO: dict[Act, State] = {"prepare": "prepared", "approve": "approved"}


@dataclass(frozen=True, slots=True)
class Done:
    """One act as recorded. `who` is the person, `principal` who signed for them."""

    id: int
    entity: str
    month: str
    act: Act
    package_sha256: str | None
    who: str
    principal: str | None
    proven_by: str
    proof: str | None
    reason: str | None
    done_at: datetime

    def as_json(self) -> dict[str, object]:
        """The act as one JSON object, without its proof."""
        told = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "proof"}
        return told | {"done_at": self.done_at.isoformat()}


def history(register: Register, entity: str, month: Period) -> list[Done]:
    """Every act on a month, in order."""
    with register.reading() as connection:
        return acts_on(connection, entity, str(month))


def acts_on(connection: Connection, entity: str, month: str) -> list[Done]:
    """The same in a transaction of the caller's."""
    c = close_action.c
    query = sa.select(close_action).where(c.entity == entity, c.month == month).order_by(c.id)
    return [done(row) for row in connection.execute(query).mappings()]


def state_of(acts: Sequence[Done]) -> tuple[State, Done | None]:
    """The state that acts lead to, and the one that led there; None where there is none."""
    state: State = "open"
    by: Done | None = None
    for one in acts:
        if one.act == "ask_reopen":
            continue
        by = one
        state = _LEADS_TO.get(one.act, "open")
    return state, by


def asked_to_reopen(acts: Sequence[Done]) -> Done | None:
    """Who asked last that a locked month be reopened, since it was approved."""
    asked = None
    for one in acts:
        asked = one if one.act == "ask_reopen" else None if one.act != "void" else asked
    return asked


def done(row: Any) -> Done:
    """An act from its row."""
    names = {"act": "action"}
    return Done(**{n: row[names.get(n, n)] for n in Done.__dataclass_fields__})
