"""Locking a month in a test as an approval does: everything published then is what was signed."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import sqlalchemy as sa

from tieout.locks import Place, as_json
from tieout.register.closetables import close_action, close_package, period_lock
from tieout.register.register import Register

STAGES = ("lines/", "duplicates/", "quarantine/", "deliveries/", "outcomes/", "statements/")


def lock(register: Register, entity: str, month: str, body: str = "{}") -> None:
    """Lock a month of an entity on what is published now."""
    versions: dict[Place, int] = {
        (table, partition): head.version
        for stage in STAGES
        for table in register.tables(stage)
        for partition, head in register.heads(table).items()
    }
    now = datetime.now(UTC)
    sha256 = hashlib.sha256(f"{entity} {month} {now} {body}".encode()).hexdigest()
    with register.writing() as connection:
        connection.execute(
            sa.insert(close_package).values(
                sha256=sha256,
                entity=entity,
                month=month,
                body=body,
                made_at=now,
            )
        )
        done = connection.execute(
            sa.insert(close_action).values(
                entity=entity,
                month=month,
                action="approve",
                package_sha256=sha256,
                who="somebody",
                proven_by="test",
                done_at=now,
            )
        )
        assert done.inserted_primary_key is not None
        connection.execute(
            sa.insert(period_lock).values(
                entity=entity,
                month=month,
                package_sha256=sha256,
                versions=as_json(versions),
                locked_at=now,
                locked_by=done.inserted_primary_key[0],
            )
        )


def release(register: Register, entity: str, month: str) -> None:
    """Give the lock of a month up."""
    held = (period_lock.c.entity == entity) & (period_lock.c.month == month)
    with register.writing() as connection:
        by = connection.execute(sa.select(period_lock.c.locked_by).where(held)).scalar_one()
        connection.execute(
            sa.update(period_lock).where(held).values(released_at=datetime.now(UTC), released_by=by)
        )
