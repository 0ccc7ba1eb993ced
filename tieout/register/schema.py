"""The register's tables, as SQLAlchemy Core knows them; migrations/ creates the same.

A partition key is `2026-10-05` or `2026-10-05-13:00`. Column `table_name` since TABLE is reserved.
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


class UtcTime(TypeDecorator[datetime]):
    """A moment in UTC with microseconds. Aware values only: a naive one could mean any zone."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[datetime]:
        """PostgreSQL keeps the zone; SQLite keeps sortable text, always UTC."""
        return dialect.type_descriptor(sa.DateTime(timezone=dialect.name == "postgresql"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Aware -> UTC, without the zone where the database has none."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        moment = value.astimezone(UTC)
        return moment if dialect.name == "postgresql" else moment.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Always aware, always UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""SQLite numbers rows itself only in a column that is INTEGER to the letter."""

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

fence = sa.Table(
    "fence",
    metadata,
    sa.Column("table_name", sa.String(255), primary_key=True),
    sa.Column("partition", sa.String(128), primary_key=True),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("run_id", sa.String(128), nullable=False),
    sa.Column("taken_at", UtcTime, nullable=False),
    comment="one row a partition: the run that may publish it, and its epoch",
)

publication = sa.Table(
    "publication",
    metadata,
    sa.Column("table_name", sa.String(255), primary_key=True),
    sa.Column("partition", sa.String(128), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("run_id", sa.String(128), nullable=False),
    sa.Column("published_at", UtcTime, nullable=False),
    sa.Column("files", sa.JSON, nullable=False),
    sa.Column("row_count", sa.BigInteger, nullable=False),
    sa.Column("totals", sa.JSON, nullable=False),
    comment="one row a published version of a partition; only ever added to",
)

head = sa.Table(
    "head",
    metadata,
    sa.Column("table_name", sa.String(255), primary_key=True),
    sa.Column("partition", sa.String(128), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.ForeignKeyConstraint(
        ["table_name", "partition", "version"],
        ["publication.table_name", "publication.partition", "publication.version"],
    ),
    comment="one row a partition: the version that readers get",
)

consumption = sa.Table(
    "consumption",
    metadata,
    sa.Column("consumer", sa.String(128), primary_key=True),
    sa.Column("table_name", sa.String(255), primary_key=True),
    sa.Column("partition", sa.String(128), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    comment="the version of a partition that a consumer has worked in",
)

extract = sa.Table(
    "extract",
    metadata,
    sa.Column("id", BIG, primary_key=True, autoincrement=True),
    sa.Column("feed", sa.String(128), nullable=False),
    sa.Column("window_key", sa.String(128), nullable=False),
    sa.Column("name", sa.String(1024), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("evidence", sa.String(255), nullable=False),
    sa.Column("taken_at", UtcTime, nullable=False),
    sa.Column("manifest", sa.JSON(none_as_null=True)),
    sa.UniqueConstraint("feed", "window_key", "name", "version"),
    comment="one row a delivery taken in; a changed file is a new version of the same name",
)

note = sa.Table(
    "note",
    metadata,
    sa.Column("kind", sa.String(128), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("value", sa.JSON, nullable=False),
    comment="small remembered facts, such as the fingerprint of a configuration",
)

decision = sa.Table(
    "decision",
    metadata,
    sa.Column("id", BIG, primary_key=True, autoincrement=True),
    sa.Column("reconciliation", sa.String(128), nullable=False, index=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("lines", sa.JSON, nullable=False),
    sa.Column("residual", sa.String(64)),
    sa.Column("label", sa.String(32)),
    sa.Column("account", sa.String(128)),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("who", sa.String(255), nullable=False),
    sa.Column("decided_at", UtcTime, nullable=False),
    sa.Column("statement_versions", sa.JSON, nullable=False),
    sa.Column("takes_back", BIG, unique=True),
    sa.ForeignKeyConstraint(["takes_back"], ["decision.id"]),
    comment="one row a person's decision about lines; only ever added to",
)
