"""The few statements that both databases understand but SQLAlchemy spells per dialect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

T = TypeVar("T")

MOST_ROWS = 500
"""Rows or names bound in one statement; well under SQLite's 32,766 parameters."""


def chunks(items: Sequence[T], size: int = MOST_ROWS) -> Iterator[Sequence[T]]:
    """The items in order, at most `size` at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def insert(connection: Connection, table: sa.Table) -> Any:
    """An INSERT that knows ON CONFLICT, of the connection's own dialect."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def upsert(connection: Connection, table: sa.Table, key: Sequence[str]) -> sa.Executable:
    """INSERT, or UPDATE of every other column where the key is known."""
    statement = insert(connection, table)
    others = [c.name for c in table.columns if c.name not in key]
    changed = {name: statement.excluded[name] for name in others}
    done: sa.Executable = statement.on_conflict_do_update(index_elements=list(key), set_=changed)
    return done
