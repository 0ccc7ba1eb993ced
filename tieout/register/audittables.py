"""The register's tables of the audit chain; migration r0005 creates the same."""

from __future__ import annotations

import sqlalchemy as sa

from tieout.register.schema import UtcTime, metadata

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("kind", sa.String(64), nullable=False, index=True),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    comment="one row an entry of the audit chain, each with the hash of the one before; only ever "
    "added to",
)

audit_head = sa.Table(
    "audit_head",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    comment="the last entry of the chain; its row is locked until the next one is there",
)
