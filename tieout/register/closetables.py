"""The register's tables about closing months; migration r0004 creates the same."""

from __future__ import annotations

import sqlalchemy as sa

from tieout.register.schema import BIG, UtcTime, metadata

close_package = sa.Table(
    "close_package",
    metadata,
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("entity", sa.String(128), nullable=False),
    sa.Column("month", sa.String(7), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("made_at", UtcTime, nullable=False),
    comment="one row a month's statements as prepared: what is signed, byte for byte",
)

close_action = sa.Table(
    "close_action",
    metadata,
    sa.Column("id", BIG, primary_key=True, autoincrement=True),
    sa.Column("entity", sa.String(128), nullable=False),
    sa.Column("month", sa.String(7), nullable=False),
    sa.Column("action", sa.String(32), nullable=False),
    sa.Column("package_sha256", sa.String(64)),
    sa.Column("who", sa.String(255), nullable=False),
    sa.Column("principal", sa.String(128)),
    sa.Column("proven_by", sa.String(32), nullable=False),
    sa.Column("proof", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("done_at", UtcTime, nullable=False),
    sa.Index("ix_close_action_entity_month", "entity", "month", "id"),
    comment="one row an act of closing: prepare, approve, reopening asked for and agreed to; only "
    "ever added to",
)

period_lock = sa.Table(
    "period_lock",
    metadata,
    sa.Column("id", BIG, primary_key=True, autoincrement=True),
    sa.Column("entity", sa.String(128), nullable=False),
    sa.Column("month", sa.String(7), nullable=False),
    sa.Column("package_sha256", sa.String(64), nullable=False),
    sa.Column("versions", sa.JSON, nullable=False),
    sa.Column("locked_at", UtcTime, nullable=False),
    sa.Column("locked_by", BIG, nullable=False),
    sa.Column("released_at", UtcTime),
    sa.Column("released_by", BIG),
    sa.ForeignKeyConstraint(["package_sha256"], ["close_package.sha256"]),
    sa.ForeignKeyConstraint(["locked_by"], ["close_action.id"]),
    sa.ForeignKeyConstraint(["released_by"], ["close_action.id"]),
    comment="one row a lock of a month of an entity, and the version of every published partition "
    "that it rests on; released when the month is reopened",
)
"""Months of an entity are locked in their order, and released from the last one back."""
