"""The audit chain. It opens with a digest of what was there before it."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from tieout.register.audited import OPENING, TABLES, before
from tieout.register.audittables import audit_head
from tieout.register.chain import NOTHING, append

revision = "r0005"
down_revision = "r0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, and the head of an empty chain."""
    moment = sa.DateTime().with_variant(sa.DateTime(timezone=True), "postgresql")
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger, autoincrement=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
        comment="one row an entry of the audit chain, each with the hash of the one before; only "
        "ever added to",
    )
    op.create_index("ix_audit_kind", "audit", ["kind"])
    op.create_table(
        "audit_head",
        sa.Column("name", sa.String(32)),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_audit_head"),
        comment="the last entry of the chain; its row is locked until the next one is there",
    )
    first = {"name": "chain", "seq": 0, "at": datetime(1970, 1, 1, tzinfo=UTC), "sha256": NOTHING}
    op.bulk_insert(audit_head, [first])
    there = {kind: before(op.get_bind(), kind) for kind in TABLES}
    if any(one["rows"] for one in there.values()):
        append(op.get_bind(), OPENING, [there], datetime.now(UTC))


def downgrade() -> None:
    """Drop them again."""
    op.drop_table("audit_head")
    op.drop_table("audit")
