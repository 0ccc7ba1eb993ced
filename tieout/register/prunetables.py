"""The register's tables about versions kept no longer; migration r0006 creates the same."""

from __future__ import annotations

import sqlalchemy as sa

from tieout.register.schema import BIG, UtcTime, metadata

prune = sa.Table(
    "prune",
    metadata,
    sa.Column("id", BIG, primary_key=True, autoincrement=True),
    sa.Column("pruned_at", UtcTime, nullable=False),
    sa.Column("superseded_before", UtcTime, nullable=False),
    sa.Column("rule", sa.JSON, nullable=False),
    sa.Column("versions", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("versions_sha256", sa.String(64), nullable=False),
    comment="one row a prune: by which rule, and which versions; only ever added to",
)

pruned = sa.Table(
    "pruned",
    metadata,
    sa.Column("table_name", sa.String(255), primary_key=True),
    sa.Column("partition", sa.String(128), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("prune_id", BIG, nullable=False),
    sa.Column("published_at", UtcTime, nullable=False),
    sa.Column("superseded_at", UtcTime, nullable=False),
    sa.Column("is_deleted", sa.Boolean, nullable=False),
    sa.ForeignKeyConstraint(["prune_id"], ["prune.id"]),
    sa.ForeignKeyConstraint(
        ["table_name", "partition", "version"],
        ["publication.table_name", "publication.partition", "publication.version"],
    ),
    sa.Index("ix_pruned_superseded_at", "superseded_at"),
    sa.Index("ix_pruned_prune_id", "prune_id", "is_deleted"),
    comment="one row a version whose files are kept no longer; `is_deleted` once they are gone",
)
