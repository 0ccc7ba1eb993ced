"""Acts of closing: a month is open, prepared, approved (and so locked), and may be reopened.

Each act is signed by a person, bound to the package that was prepared and to the proof before it.
Approving and reopening take two persons each. Nothing is ever changed or removed: what counts is
read from the acts in their order.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tieout.close.history import Act, Done, acts_on, asked_to_reopen, history, state_of
from tieout.close.package import Package, package, published_versions
from tieout.close.readiness import Obstacle, obstacles
from tieout.close.recording import (
    NotAllowedError,
    Pending,
    Proven,
    add_act,
    check_names,
    check_reason,
    check_state,
    check_unchanged,
    last_of,
    person_of,
    record,
)
from tieout.close.settings import Person
from tieout.close.signatures import text_to_sign
from tieout.errors import RequestError, TieoutError
from tieout.locks import Place, as_json
from tieout.matching.publish import RUN
from tieout.periods import DAY_FORMAT, Period
from tieout.register import publications
from tieout.register.audited import about
from tieout.register.chain import append
from tieout.register.closetables import close_package, period_lock
from tieout.register.register import now
from tieout.workplace import Workplace

_TRIES = 5
"""Times an approval looks again where something was published while it looked."""


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
    check_names(workplace, entity, month)
    acts = history(workplace.register, entity, month)
    state, by = state_of(acts)
    check_state(act, state, entity, month)
    if act in ("ask_reopen", "reopen") or deliveries_accepted:
        check_reason(reason)
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
        last_of(acts),
        reason,
    )
    return Pending(act, made, sha256, reason, text)


def draft(workplace: Workplace, entity: str, month: Period) -> tuple[list[Obstacle], Package]:
    """What stands in the way of a month, and the package as it would be signed; records nothing."""
    check_names(workplace, entity, month)
    found = obstacles(workplace, entity, month, deliveries_accepted=False)
    return found, package(workplace, entity, month)


def prepare(workplace: Workplace, what: Pending, by: Proven) -> Done:
    """Record that a month was prepared. Raises RequestError: see `pending`; and for the role."""
    person = person_of(workplace, by, what.act)
    with workplace.register.writing() as connection:
        check_unchanged(connection, what, workplace)
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
        return record(connection, what, by, person, at)


def approve(workplace: Workplace, what: Pending, by: Proven) -> Done:
    """Lock a prepared month, if its figures are still those prepared.

    Raises RequestError for the preparer, for the role, and where the figures have changed: the
    preparation is void then, and recorded as such.
    """
    person = person_of(workplace, by, "approve")
    entity, month = what.package.entity, what.package.month
    preparer = next(
        one for one in reversed(history(workplace.register, entity, month)) if one.act == "prepare"
    )
    if preparer.who == person.name:
        raise NotAllowedError(
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
    person = person_of(workplace, by, "ask_reopen")
    with workplace.register.writing() as connection:
        check_unchanged(connection, what, workplace)
        return record(connection, what, by, person, now(connection))


def reopen(workplace: Workplace, what: Pending, by: Proven) -> Done:
    """Release the lock of a month that another person asked to reopen.

    Raises RequestError where nobody else asked, and where a later month is still locked.
    """
    person = person_of(workplace, by, "reopen")
    entity, month = what.package.entity, str(what.package.month)
    held = period_lock.c.entity == entity
    open_lock = period_lock.c.released_at.is_(None)
    with workplace.register.writing() as connection:
        check_unchanged(connection, what, workplace)
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
        made = record(connection, what, by, person, now(connection))
        connection.execute(
            sa.update(period_lock)
            .where(held, open_lock, period_lock.c.month == month)
            .values(released_at=made.done_at, released_by=made.id)
        )
        return made


RECORD: dict[Act, Callable[[Workplace, Pending, Proven], Done]] = {
    "prepare": prepare,
    "approve": approve,
    "ask_reopen": ask_reopen,
    "reopen": reopen,
}
"""What records a pending act once it is proven."""


def act_to_reopen(workplace: Workplace, entity: str, month: Period) -> Act:
    """What reopening means now: the first person asks, the second agrees."""
    asked = asked_to_reopen(history(workplace.register, entity, month))
    return "ask_reopen" if asked is None else "reopen"


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
        check_unchanged(connection, what, workplace)
        made = record(connection, what, by, person, now(connection))
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
        add_act(connection, {**values, "done_at": now(connection)})


def package_text(workplace: Workplace, entity: str, month: Period) -> str:
    """The package that was prepared or approved, or, where none was, the one there would be."""
    state, by = state_of(history(workplace.register, entity, month))
    if state == "open" or by is None or by.package_sha256 is None:
        return package(workplace, entity, month).text
    return _text(workplace, by.package_sha256)


def _text(workplace: Workplace, sha256: str) -> str:
    query = sa.select(close_package.c.body).where(close_package.c.sha256 == sha256)
    with workplace.register.reading() as connection:
        return str(connection.execute(query).scalar_one())
