"""How many requests were refused, by feed, reason and hour: what alerts on failed signatures read.

Counted in memory, added to the register every few seconds; a process that is killed loses a few.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import sqlalchemy as sa

from tieout.register.eventtables import event_refusal
from tieout.register.register import Register
from tieout.register.statements import insert

_Key = tuple[str, str, datetime]


class Refusals:
    """Counts of refused requests that the register does not have yet. From any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: dict[_Key, tuple[int, datetime]] = {}

    def count(self, feed: str, reason: str) -> None:
        """One more."""
        at = datetime.now(UTC)
        key = (feed, reason, at.replace(minute=0, second=0, microsecond=0))
        with self._lock:
            times = self._counted.get(key, (0, at))[0]
            self._counted[key] = (times + 1, at)

    def flush(self, register: Register) -> None:
        """Add what was counted to the register. Raises TieoutError, and then keeps it."""
        with self._lock:
            counted, self._counted = self._counted, {}
        if not counted:
            return
        try:
            self._add(register, counted)
        except Exception:
            with self._lock:
                for key, (times, at) in counted.items():
                    more, last = self._counted.get(key, (0, at))
                    self._counted[key] = (times + more, max(at, last))
            raise

    @staticmethod
    def _add(register: Register, counted: dict[_Key, tuple[int, datetime]]) -> None:
        c = event_refusal.c
        with register.writing() as connection:
            statement = insert(connection, event_refusal)
            later = sa.case(
                (statement.excluded.last_at > c.last_at, statement.excluded.last_at),
                else_=c.last_at,
            )
            statement = statement.on_conflict_do_update(
                index_elements=["feed", "reason", "hour"],
                set_={"times": c.times + statement.excluded.times, "last_at": later},
            )
            rows = [
                {"feed": feed, "reason": reason, "hour": hour, "times": times, "last_at": at}
                for (feed, reason, hour), (times, at) in sorted(counted.items())
            ]
            connection.execute(statement, rows)
