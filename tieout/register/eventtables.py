"""The tables of events, as SQLAlchemy Core knows them; migrations/ creates the same."""

from __future__ import annotations

import sqlalchemy as sa

from tieout.register.schema import BIG, UtcTime, metadata

WAITING = "state IN ('new', 'dead')"
"""The states the partial index holds: few rows of many, whatever the age of the inbox."""


def is_waiting() -> sa.TextClause:
    """The index's own condition, as it stands there: SQLite uses the index for no other words."""
    return sa.text(WAITING)


event_sequence = sa.Table(
    "event_sequence",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("last", sa.BigInteger, nullable=False),
    comment="the last sequence given out; its row is locked until the events are there",
)

event = sa.Table(
    "event",
    metadata,
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("feed", sa.String(128), nullable=False),
    sa.Column("event_id", sa.String(255), nullable=False),
    sa.Column("received_at", UtcTime, nullable=False),
    sa.Column("occurred_at", UtcTime, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("body_sha256", sa.String(64), nullable=False),
    sa.Column("headers", sa.JSON, nullable=False),
    sa.Column("envelope", sa.JSON, nullable=False),
    sa.Column("subject_kind", sa.String(16)),
    sa.Column("subject_ref", sa.String(255), index=True),
    sa.Column("correlation_id", sa.String(255)),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_try_at", UtcTime),
    sa.Column("problem", sa.JSON(none_as_null=True)),
    sa.Column("duplicates", sa.Integer, nullable=False),
    sa.UniqueConstraint("feed", "event_id"),
    sa.Index("ix_event_occurred_at", "feed", "occurred_at"),
    sa.Index(
        "ix_event_waiting",
        "state",
        "next_try_at",
        "sequence",
        sqlite_where=sa.text(WAITING),
        postgresql_where=sa.text(WAITING),
    ),
    comment="one row an event, for good; sequences are in order of commit",
)

event_conflict = sa.Table(
    "event_conflict",
    metadata,
    sa.Column("id", BIG, primary_key=True, autoincrement=True),
    sa.Column("feed", sa.String(128), nullable=False),
    sa.Column("event_id", sa.String(255), nullable=False),
    sa.Column("received_at", UtcTime, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("body_sha256", sa.String(64), nullable=False),
    sa.Column("headers", sa.JSON, nullable=False),
    sa.Column("times", sa.Integer, nullable=False),
    sa.UniqueConstraint("feed", "event_id", "body_sha256"),
    comment="one row an other body under a known event id; set aside, never applied",
)

event_refusal = sa.Table(
    "event_refusal",
    metadata,
    sa.Column("feed", sa.String(128), primary_key=True),
    sa.Column("reason", sa.String(64), primary_key=True),
    sa.Column("hour", UtcTime, primary_key=True),
    sa.Column("times", sa.Integer, nullable=False),
    sa.Column("last_at", UtcTime, nullable=False),
    comment="how many requests were refused, by feed, reason and hour",
)

event_ref = sa.Table(
    "event_ref",
    metadata,
    sa.Column("ref", sa.String(255), primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True),
    sa.ForeignKeyConstraint(["sequence"], ["event.sequence"]),
    comment="every reference an applied event names, so that a trace finds it by any of them",
)

event_field = sa.Table(
    "event_field",
    metadata,
    sa.Column("feed", sa.String(128), primary_key=True),
    sa.Column("source_type", sa.String(255), primary_key=True),
    sa.Column("version", sa.String(128), primary_key=True),
    sa.Column("path", sa.String(255), primary_key=True),
    sa.Column("first_sequence", sa.BigInteger, nullable=False),
    sa.Column("first_at", UtcTime, nullable=False),
    comment="every field seen in a sender's events, by type and version, and since when",
)

subject = sa.Table(
    "subject",
    metadata,
    sa.Column("entity", sa.String(128), primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("ref", sa.String(255), primary_key=True, index=True),
    sa.Column("state", sa.String(32), nullable=False),
    sa.Column("amount", sa.String(64)),
    sa.Column("currency", sa.String(3)),
    sa.Column("correlation_id", sa.String(255), nullable=False),
    sa.Column("feed", sa.String(128), nullable=False),
    sa.Column("events", sa.Integer, nullable=False),
    sa.Column("first_at", UtcTime, nullable=False),
    sa.Column("last_at", UtcTime, nullable=False, index=True),
    sa.Column("figures", sa.JSON, nullable=False),
    comment="one row an invoice, payment, payout or usage record: what its events come to",
)

expectation = sa.Table(
    "expectation",
    metadata,
    sa.Column("entity", sa.String(128), primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("ref", sa.String(255), primary_key=True),
    sa.Column("what", sa.String(32), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("due", UtcTime, nullable=False),
    sa.Column("met_on", sa.Date),
    sa.Column("met_by", sa.Text),
    sa.Column("searched", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.ForeignKeyConstraint(
        ["entity", "kind", "ref"], ["subject.entity", "subject.kind", "subject.ref"]
    ),
    sa.Index("ix_expectation_state", "state", "due"),
    comment="what a subject's events let one expect of the batch, by when, and what met it",
)

event_action = sa.Table(
    "event_action",
    metadata,
    sa.Column("id", BIG, primary_key=True, autoincrement=True),
    sa.Column("sequence", sa.BigInteger),
    sa.Column("feed", sa.String(128), nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("who", sa.String(255), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("done_at", UtcTime, nullable=False),
    sa.Column("before", sa.JSON, nullable=False),
    sa.Column("after", sa.JSON, nullable=False),
    comment="one row a replay, discard or import by a person; only ever added to",
)
