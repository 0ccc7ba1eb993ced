"""Decisions: what a person decided about lines, only ever added to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0002"
down_revision = "r0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    moment = sa.DateTime().with_variant(sa.DateTime(timezone=True), "postgresql")
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "decision",
        sa.Column("id", number, autoincrement=True),
        sa.Column("reconciliation", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("lines", sa.JSON, nullable=False),
        sa.Column("residual", sa.String(64)),
        sa.Column("label", sa.String(32)),
        sa.Column("account", sa.String(128)),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("who", sa.String(255), nullable=False),
        sa.Column("decided_at", moment, nullable=False),
        sa.Column("statement_versions", sa.JSON, nullable=False),
        sa.Column("takes_back", number),
        sa.PrimaryKeyConstraint("id", name="pk_decision"),
        sa.UniqueConstraint("takes_back", name="uq_decision_takes_back"),
        sa.ForeignKeyConstraint(["takes_back"], ["decision.id"], name="fk_decision_takes_back"),
        comment="one row a person's decision about lines; only ever added to",
    )
    op.create_index("ix_decision_reconciliation", "decision", ["reconciliation"])
