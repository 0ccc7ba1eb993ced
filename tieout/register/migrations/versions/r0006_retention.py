"""Versions whose files are kept no longer, and the prunes that said so."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0006"
down_revision = "r0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    moment = sa.DateTime().with_variant(sa.DateTime(timezone=True), "postgresql")
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "prune",
        sa.Column("id", big, autoincrement=True),
        sa.Column("pruned_at", moment, nullable=False),
        sa.Column("superseded_before", moment, nullable=False),
        sa.Column("rule", sa.JSON, nullable=False),
        sa.Column("versions", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("versions_sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_prune"),
        comment="one row a prune: by which rule, and which versions; only ever added to",
    )
    op.create_table(
        "pruned",
        sa.Column("table_name", sa.String(255)),
        sa.Column("partition", sa.String(128)),
        sa.Column("version", sa.Integer),
        sa.Column("prune_id", big, nullable=False),
        sa.Column("published_at", moment, nullable=False),
        sa.Column("superseded_at", moment, nullable=False),
        sa.Column("is_deleted", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("table_name", "partition", "version", name="pk_pruned"),
        sa.ForeignKeyConstraint(["prune_id"], ["prune.id"], name="fk_pruned_prune_id"),
        sa.ForeignKeyConstraint(
            ["table_name", "partition", "version"],
            ["publication.table_name", "publication.partition", "publication.version"],
            name="fk_pruned_table_name",
        ),
        comment="one row a version whose files are kept no longer; `is_deleted` once they are gone",
    )
    op.create_index("ix_pruned_superseded_at", "pruned", ["superseded_at"])
    op.create_index("ix_pruned_prune_id", "pruned", ["prune_id", "is_deleted"])


def downgrade() -> None:
    """Drop them again."""
    op.drop_table("pruned")
    op.drop_table("prune")
