"""Acts of closing: a month is open, prepared, approved (and so locked), and may be reopened.

Each act is signed by a person, bound to the package that was prepared and to the proof before it.
Approving and reopening take two persons each. Nothing is ever changed or removed: what counts is
read from the acts in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tieout.close.history import (
    Act,
    Done,
    State,
    acts_on,
    asked_to_reopen,
    done,
    history,
    state_of,
)
from tieout.close.package import Package, package, published_versions
from tieout.close.readiness import Obstacle, obstacles
from tieout.close.settings import Person, Role
from tieout.close.signatures import named_after, text_to_sign
from tieout.errors import RequestError, TieoutError
from tieout.locks import Place, as_json
from tieout.matching.publish import RUN
from tieout.periods import DAY_FORMAT, Period
from tieout.register import publications
from tieout.register.audited import about
from tieout.register.chain import append
from tieout.register.closetables import close_action, close_package, period_lock
from tieout.register.register import now
from tieout.workplace import Workplace

_ROLE: dict[Act, Role | None] = {
    "prepare": "preparer",
    "approve": "approver",
    "ask_reopen": None,
    "reopen": "approver",
}
_TRIES = 5
"""Times an approval looks again where something was published while it looked."""


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


def pending(
    workplace: Workplace,
    act: Act,
    entity: str,
    month: Period,
    reason: str = "",
    *,
    deliveries_accepted: bool = False,
) -> Pending:
    """What is to be signed for an act.

    Raises RequestError where the month is in another state, or, to prepare and approve, with
    everything that stands in the way.
    """
    _check_names(workplace, entity, month)
    acts = history(workplace.register, entity, month)
    state, by = state_of(acts)
    _check_state(act, state, entity, month)
    if act in ("ask_reopen", "reopen") or deliveries_accepted:
        _check_reason(reason)
    if act == "prepare":
        if found := obstacles(workplace, entity, month, deliveries_accepted=deliveries_accepted):
            raise NotReadyError(entity, month, [one.as_json() for one in found])
        made = package(workplace, entity, month)
        sha256 = made.sha256
    else:
        assert by is not None
        assert by.package_sha256 is not None
        sha256 = by.package_sha256
        made = Package(entity, month, _text(workplace, sha256))
    text = text_to_sign(
        act,
        workplace.settings.company,
        entity,
        str(month),
        sha256,
        _last(acts),
        reason,
    )
    return Pending(act, made, sha256, reason, text)


def draft(workplace: Workplace, entity: str, month: Period) -> tuple[list[Obstacle], Package]:
    """What stands in the way of a month, and the package as it would be signed; records nothing."""
    _check_names(workplace, entity, month)
    found = obstacles(workplace, entity, month, deliveries_accepted=False)
    return found, package(workplace, entity, month)


def prepare(workplace: Workplace, what: Pending, by: Proven) -> Done:
    """Record that a month was prepared. Raises RequestError: see `pending`; and for the role."""
    person = _person(workplace, by, what.act)
    with workplace.register.writing() as connection:
        _check_unchanged(connection, what, workplace)
        at = now(connection)
        there = sa.select(close_package.c.sha256).where(
            close_package.c.sha256 == what.package_sha256
        )
        if connection.execute(there).scalar() is None:
            row = {
                "sha256": what.package_sha256,
                "entity": what.package.entity,
                "month": str(what.package.month),
                "body": what.package.text,
                "made_at": at,
            }
            connection.execute(sa.insert(close_package), row)
        return _record(connection, what, by, person, at)


def approve(workplace: Workplace, what: Pending, by: Proven) -> Done:
    """Lock a prepared month, if its figures are still those prepared.

    Raises RequestError for the preparer, for the role, and where the figures have changed: the
    preparation is void then, and recorded as such.
    """
    person = _person(workplace, by, "approve")
    entity, month = what.package.entity, what.package.month
    preparer = next(
        one for one in reversed(history(workplace.register, entity, month)) if one.act == "prepare"
    )
    if preparer.who == person.name:
        raise RequestError(
            f"{person.name} prepared {month} of {entity}", "somebody else has to approve it"
        )
    for _ in range(_TRIES):
        with workplace.register.reading() as connection:
            seen = published_versions(connection)
        if why := _changed(workplace, what):
            _void(workplace, what, person, why)
            raise RequestError(
                f"{month} of {entity} is not what was prepared: {why}", "prepare it again"
            )
        made = _lock(workplace, what, by, person, seen)
        if made is not None:
            return made
    raise TieoutError(
        "something was published each time the figures were compared", "try again in a minute"
    )


def ask_reopen(workplace: Workplace, what: Pending, by: Proven) -> Done:
    """Record that somebody asks to reopen a locked month. Nothing changes yet."""
    person = _person(workplace, by, "ask_reopen")
    with workplace.register.writing() as connection:
        _check_unchanged(connection, what, workplace)
        return _record(connection, what, by, person, now(connection))


def reopen(workplace: Workplace, what: Pending, by: Proven) -> Done:
    """Release the lock of a month that another person asked to reopen.

    Raises RequestError where nobody else asked, and where a later month is still locked.
    """
    person = _person(workplace, by, "reopen")
    entity, month = what.package.entity, str(what.package.month)
    held = period_lock.c.entity == entity
    open_lock = period_lock.c.released_at.is_(None)
    with workplace.register.writing() as connection:
        _check_unchanged(connection, what, workplace)
        asked = asked_to_reopen(acts_on(connection, entity, month))
        if asked is None or asked.who == person.name:
            raise RequestError(
                f"nobody else has asked to reopen {month} of {entity}",
                "one person asks and another agrees: `tieout close reopen` by both",
            )
        later = sa.select(sa.func.max(period_lock.c.month)).where(held, open_lock)
        if (last := connection.execute(later).scalar()) != month:
            raise RequestError(f"{last} of {entity} is locked", f"reopen {last} first")
        _fence_out(connection, workplace, what.package.month)
        made = _record(connection, what, by, person, now(connection))
        connection.execute(
            sa.update(period_lock)
            .where(held, open_lock, period_lock.c.month == month)
            .values(released_at=made.done_at, released_by=made.id)
        )
        return made


class NotReadyError(RequestError):
    """A month that cannot be prepared; `obstacles` says why, as JSON objects."""

    def __init__(self, entity: str, month: Period, found: list[dict[str, str]]) -> None:
        told = "\n".join(f"  {one['problem']}\n    -> {one['remedy']}" for one in found)
        super().__init__(f"{month} of {entity} cannot be prepared yet:\n{told}", "")
        self.obstacles = found


class _PublishedSinceError(Exception):
    """Something was published between comparing the figures and locking them."""


def _lock(
    workplace: Workplace, what: Pending, by: Proven, person: Person, seen: dict[Place, int]
) -> Done | None:
    """Record the approval and the lock, unless something was published since; None then."""
    with suppress(_PublishedSinceError), workplace.register.writing() as connection:
        # Fences before heads, as those who publish do: neither can wait for the other in a circle.
        _fence_out(connection, workplace, what.package.month)
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("LOCK TABLE head IN SHARE ROW EXCLUSIVE MODE"))
        if published_versions(connection) != seen:
            raise _PublishedSinceError
        _check_unchanged(connection, what, workplace)
        made = _record(connection, what, by, person, now(connection))
        lock: dict[str, Any] = {
            "entity": what.package.entity,
            "month": str(what.package.month),
            "package_sha256": what.package_sha256,
            "versions": as_json(seen),
            "locked_at": made.done_at,
            "locked_by": made.id,
        }
        added = connection.execute(sa.insert(period_lock).values(**lock))
        assert added.inserted_primary_key is not None
        lock["id"] = int(added.inserted_primary_key[0])
        append(connection, "period_lock", [about("period_lock", lock)], made.done_at)
        return made
    return None


def _fence_out(connection: Connection, workplace: Workplace, month: Period) -> None:
    """A run that began before a lock, and knows nothing of it, publishes nothing any more."""
    at, days = now(connection), [f"{day:{DAY_FORMAT}}" for day in month.days()]
    names, run = sorted(workplace.settings.reconciliations), f"close-{month}"
    for name in names:
        publications.take_epochs(connection, f"reconciled/{name}", [RUN], run, at)
    for name in names:
        publications.take_epochs(connection, f"statements/{name}", days, run, at)


def _changed(workplace: Workplace, what: Pending) -> str | None:
    """Why a month is no longer as it was prepared, None where it is."""
    entity, month = what.package.entity, what.package.month
    found = obstacles(workplace, entity, month, deliveries_accepted=True)
    if found:
        return "; ".join(one.problem for one in found)
    made = package(workplace, entity, month)
    return None if made.sha256 == what.package_sha256 else "its figures have changed since"


def _void(workplace: Workplace, what: Pending, person: Person, why: str) -> None:
    values = {
        "entity": what.package.entity,
        "month": str(what.package.month),
        "action": "void",
        "package_sha256": what.package_sha256,
        "who": person.name,
        "proven_by": "figures",
        "reason": why,
    }
    with workplace.register.writing() as connection:
        _add(connection, {**values, "done_at": now(connection)})


def _check_unchanged(connection: Connection, what: Pending, workplace: Workplace) -> None:
    """Refuse an act where another one came first: what was signed follows something else."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("LOCK TABLE close_action IN SHARE ROW EXCLUSIVE MODE"))
    entity, month = what.package.entity, str(what.package.month)
    acts = acts_on(connection, entity, month)
    _check_state(what.act, state_of(acts)[0], entity, what.package.month)
    text = text_to_sign(
        what.act,
        workplace.settings.company,
        entity,
        month,
        what.package_sha256,
        _last(acts),
        what.reason,
    )
    if text != what.text:
        raise RequestError("another act came first", "look at `tieout close status`, and sign anew")


def _record(
    connection: Connection, what: Pending, by: Proven, person: Person, at: datetime
) -> Done:
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
    return done(_add(connection, values))


def _add(connection: Connection, values: dict[str, Any]) -> dict[str, Any]:
    """Add an act and its audit entry; its row."""
    made = connection.execute(sa.insert(close_action).values(**values))
    assert made.inserted_primary_key is not None
    row = {**values, "id": int(made.inserted_primary_key[0])}
    append(connection, "close_action", [about("close_action", row)], values["done_at"])
    return row


def _last(acts: Sequence[Done]) -> str:
    return named_after(acts[-1].id, acts[-1].proof) if acts else named_after(None, None)


def _text(workplace: Workplace, sha256: str) -> str:
    query = sa.select(close_package.c.body).where(close_package.c.sha256 == sha256)
    with workplace.register.reading() as connection:
        return str(connection.execute(query).scalar_one())


def _person(workplace: Workplace, by: Proven, act: Act) -> Person:
    known = workplace.settings.close.people
    person = known.get(by.principal)
    if person is None:
        raise RequestError(
            f"{by.principal} is nobody who closes months", "add them under close.people"
        )
    role = _ROLE[act]
    if role is not None and role not in person.roles:
        raise RequestError(
            f"{person.name} has not the role of a {role}", f"somebody who has must {act} it"
        )
    return person


def _check_names(workplace: Workplace, entity: str, month: Period) -> None:
    if entity not in workplace.settings.entities:
        known = ", ".join(workplace.settings.entities)
        raise RequestError(f"no entity {entity!r}", f"there are {known}")
    if not month.is_month:
        raise RequestError(f"{month} is no month", "write it like 2026-10")


def _check_state(act: Act, state: State, entity: str, month: Period) -> None:
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


def _check_reason(reason: str) -> None:
    if not 0 < len(reason.strip()) <= 2000:
        raise RequestError("this needs a reason of 1 to 2000 characters", "say why with --reason")
