"""Closing: what was prepared, what persons did, which months are locked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0004"
down_revision = "r0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    moment = sa.DateTime().with_variant(sa.DateTime(timezone=True), "postgresql")
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "close_package",
        sa.Column("sha256", sa.String(64)),
        sa.Column("entity", sa.String(128), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_close_package"),
        comment="one row a month's statements as prepared: what is signed, byte for byte",
    )
    op.create_table(
        "close_action",
        sa.Column("id", number, autoincrement=True),
        sa.Column("entity", sa.String(128), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("package_sha256", sa.String(64)),
        sa.Column("who", sa.String(255), nullable=False),
        sa.Column("principal", sa.String(128)),
        sa.Column("proven_by", sa.String(32), nullable=False),
        sa.Column("proof", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("done_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_close_action"),
        comment="one row an act of closing: prepare, approve, reopening asked for and agreed to; "
        "only ever added to",
    )
    op.create_index("ix_close_action_entity_month", "close_action", ["entity", "month", "id"])
    op.create_table(
        "period_lock",
        sa.Column("id", number, autoincrement=True),
        sa.Column("entity", sa.String(128), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("package_sha256", sa.String(64), nullable=False),
        sa.Column("versions", sa.JSON, nullable=False),
        sa.Column("locked_at", moment, nullable=False),
        sa.Column("locked_by", number, nullable=False),
        sa.Column("released_at", moment),
        sa.Column("released_by", number),
        sa.PrimaryKeyConstraint("id", name="pk_period_lock"),
        sa.ForeignKeyConstraint(
            ["package_sha256"],
            ["close_package.sha256"],
            name="fk_period_lock_package_sha256_close_package",
        ),
        sa.ForeignKeyConstraint(
            ["locked_by"], ["close_action.id"], name="fk_period_lock_locked_by_close_action"
        ),
        sa.ForeignKeyConstraint(
            ["released_by"], ["close_action.id"], name="fk_period_lock_released_by_close_action"
        ),
        comment="one row a lock of a month of an entity, and the version of every published "
        "partition that it rests on; released when the month is reopened",
    )


def downgrade() -> None:
    """Drop them again."""
    for table in ("period_lock", "close_action", "close_package"):
        op.drop_table(table)
