"""The audit chain: what was published, decided and signed, in entries that hold each other.

An entry's hash is over its number, time, kind, body and the hash of the entry before it. So no
entry can be changed, removed, added or moved without every later hash being another one; who has
written a later hash down elsewhere can prove that. Entries are made in the transaction of what they
record: either both are there or neither. The head's row is locked last in a transaction, so that
those who publish never wait for each other in a circle.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tieout.register.audittables import audit, audit_head
from tieout.register.statements import chunks

NOTHING = "0" * 64
"""What stands for the hash before the first entry."""
_HEAD = "chain"


def canonical(body: Mapping[str, Any]) -> str:
    """A body as the one text that is hashed; moments become text in UTC."""
    return json.dumps(
        body, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=_plain
    )


def digest(seq: int, at: datetime, kind: str, body: str, previous: str) -> str:
    """The hash of an entry."""
    text = f"{previous}\n{seq}\n{moment_text(at)}\n{kind}\n{body}"
    return hashlib.sha256(text.encode()).hexdigest()


def moment_text(at: datetime) -> str:
    """A moment to the microsecond in UTC, as it is hashed."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def append(
    connection: Connection, kind: str, bodies: Sequence[Mapping[str, Any]], at: datetime
) -> None:
    """Add entries of one kind in the caller's transaction, which takes no other lock after this."""
    if not bodies:
        return
    wanted = sa.select(audit_head).where(audit_head.c.name == _HEAD).with_for_update()
    head = connection.execute(wanted).mappings().one()
    seq, sha256 = int(head["seq"]), str(head["sha256"])
    # A clock set back must not put an entry before the one it follows.
    moment = max(at.astimezone(UTC), head["at"])
    rows = []
    for one in bodies:
        seq, previous, body = seq + 1, sha256, canonical(one)
        sha256 = digest(seq, moment, kind, body, previous)
        rows.append(
            {
                "seq": seq,
                "at": moment,
                "kind": kind,
                "body": body,
                "previous": previous,
                "sha256": sha256,
            }
        )
    for some in chunks(rows):
        connection.execute(sa.insert(audit), list(some))
    connection.execute(sa.update(audit_head).values(seq=seq, at=moment, sha256=sha256))


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return moment_text(value)
    raise TypeError(f"{value!r} has no place in an audit entry")
