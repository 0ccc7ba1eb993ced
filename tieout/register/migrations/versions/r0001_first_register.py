"""The first register: fences, publications, heads, consumption, extracts, notes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables. Types are written out: a step must not change when schema.py does."""
    moment = sa.DateTime().with_variant(sa.DateTime(timezone=True), "postgresql")
    _partitions(moment)
    op.create_table(
        "consumption",
        sa.Column("consumer", sa.String(128), nullable=False),
        sa.Column("table_name", sa.String(255), nullable=False),
        sa.Column("partition", sa.String(128), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("consumer", "table_name", "partition", name="pk_consumption"),
        comment="the version of a partition that a consumer has worked in",
    )
    op.create_table(
        "extract",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True),
        sa.Column("feed", sa.String(128), nullable=False),
        sa.Column("window_key", sa.String(128), nullable=False),
        sa.Column("name", sa.String(1024), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("evidence", sa.String(255), nullable=False),
        sa.Column("taken_at", moment, nullable=False),
        sa.Column("manifest", sa.JSON),
        sa.PrimaryKeyConstraint("id", name="pk_extract"),
        sa.UniqueConstraint(
            "feed",
            "window_key",
            "name",
            "version",
            name="uq_extract_feed_window_key_name_version",
        ),
        comment="one row a delivery taken in; a changed file is a new version of the same name",
    )
    op.create_table(
        "note",
        sa.Column("kind", sa.String(128), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("value", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", name="pk_note"),
        comment="small remembered facts, such as the fingerprint of a configuration",
    )


def _partitions(moment: sa.DateTime) -> None:
    op.create_table(
        "fence",
        sa.Column("table_name", sa.String(255), nullable=False),
        sa.Column("partition", sa.String(128), nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("run_id", sa.String(128), nullable=False),
        sa.Column("taken_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("table_name", "partition", name="pk_fence"),
        comment="one row a partition: the run that may publish it, and its epoch",
    )
    op.create_table(
        "publication",
        sa.Column("table_name", sa.String(255), nullable=False),
        sa.Column("partition", sa.String(128), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("run_id", sa.String(128), nullable=False),
        sa.Column("published_at", moment, nullable=False),
        sa.Column("files", sa.JSON, nullable=False),
        sa.Column("row_count", sa.BigInteger, nullable=False),
        sa.Column("totals", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("table_name", "partition", "version", name="pk_publication"),
        comment="one row a published version of a partition; only ever added to",
    )
    op.create_table(
        "head",
        sa.Column("table_name", sa.String(255), nullable=False),
        sa.Column("partition", sa.String(128), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("table_name", "partition", name="pk_head"),
        sa.ForeignKeyConstraint(
            ["table_name", "partition", "version"],
            ["publication.table_name", "publication.partition", "publication.version"],
            name="fk_head_table_name_partition_version",
        ),
        comment="one row a partition: the version that readers get",
    )
