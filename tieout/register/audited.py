"""What an audit entry says of a row of the register: made when it is written, and to verify it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tieout.register.chain import canonical
from tieout.register.closetables import close_action, period_lock
from tieout.register.eventtables import event_action
from tieout.register.schema import decision, publication

TABLES: dict[str, sa.Table] = {
    "publication": publication,
    "decision": decision,
    "event_action": event_action,
    "close_action": close_action,
    "period_lock": period_lock,
}
"""Kind of an entry -> the table whose rows it records."""
OPENING = "opening"
"""Kind of the entry for everything that was there before the chain: number of rows and digest."""
_CHANGES_LATER = {"released_at", "released_by"}
"""A lock is released by an act, which has an entry of its own."""


def about(kind: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """The body of the entry for a row: all of it, what is long by its hash."""
    names = [column.name for column in TABLES[kind].c if column.name not in _CHANGES_LATER]
    told = {name: row.get(name) for name in names}
    if kind == "publication":
        files = [[one["name"], one["sha256"], one["bytes"], one["rows"]] for one in row["files"]]
        return told | {"files": files, "totals": sha256_of(row["totals"])}
    if kind == "decision":
        return told | {"lines": sha256_of(row["lines"])}
    if kind == "period_lock":
        return told | {"versions": sha256_of(row["versions"])}
    return told


def sha256_of(value: Any) -> str:
    """The hash of a JSON value."""
    return hashlib.sha256(canonical({"value": value}).encode()).hexdigest()


def before(
    connection: Connection, kind: str, known: Collection[str] = frozenset()
) -> dict[str, Any]:
    """Number and digest of the rows of a kind that have no entry of their own.

    `known` are the bodies of the entries there are.
    """
    table = TABLES[kind]
    found, rows = hashlib.sha256(), 0
    query = sa.select(table).order_by(*table.primary_key)
    for row in connection.execute(query).mappings():
        if (body := canonical(about(kind, dict(row)))) not in known:
            found.update(f"{body}\n".encode())
            rows += 1
    return {"rows": rows, "sha256": found.hexdigest()}
