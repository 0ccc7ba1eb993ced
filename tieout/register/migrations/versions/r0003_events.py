"""Events: the inbox, conflicting duplicates, refused requests, live state, what persons did."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0003"
down_revision = "r0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    moment = sa.DateTime().with_variant(sa.DateTime(timezone=True), "postgresql")
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "event_sequence",
        sa.Column("name", sa.String(32)),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_event_sequence"),
        comment="the last sequence given out; its row is locked until the events are there",
    )
    op.execute("INSERT INTO event_sequence (name, last) VALUES ('inbox', 0)")
    op.create_table(
        "event",
        sa.Column("sequence", sa.BigInteger, autoincrement=False),
        sa.Column("feed", sa.String(128), nullable=False),
        sa.Column("event_id", sa.String(255), nullable=False),
        sa.Column("received_at", moment, nullable=False),
        sa.Column("occurred_at", moment, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("body_sha256", sa.String(64), nullable=False),
        sa.Column("headers", sa.JSON, nullable=False),
        sa.Column("envelope", sa.JSON, nullable=False),
        sa.Column("subject_kind", sa.String(16)),
        sa.Column("subject_ref", sa.String(255)),
        sa.Column("correlation_id", sa.String(255)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_try_at", moment),
        sa.Column("problem", sa.JSON),
        sa.Column("duplicates", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_event"),
        sa.UniqueConstraint("feed", "event_id", name="uq_event_feed_event_id"),
        comment="one row an event, for good; sequences are in order of commit",
    )
    op.create_index("ix_event_occurred_at", "event", ["feed", "occurred_at"])
    op.create_index("ix_event_subject_ref", "event", ["subject_ref"])
    op.create_index(
        "ix_event_waiting",
        "event",
        ["state", "next_try_at", "sequence"],
        sqlite_where=sa.text("state IN ('new', 'dead')"),
        postgresql_where=sa.text("state IN ('new', 'dead')"),
    )
    op.create_table(
        "event_conflict",
        sa.Column("id", number, autoincrement=True),
        sa.Column("feed", sa.String(128), nullable=False),
        sa.Column("event_id", sa.String(255), nullable=False),
        sa.Column("received_at", moment, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("body_sha256", sa.String(64), nullable=False),
        sa.Column("headers", sa.JSON, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event_conflict"),
        sa.UniqueConstraint(
            "feed",
            "event_id",
            "body_sha256",
            name="uq_event_conflict_feed_event_id_body_sha256",
        ),
        comment="one row an other body under a known event id; set aside, never applied",
    )
    op.create_table(
        "event_refusal",
        sa.Column("feed", sa.String(128)),
        sa.Column("reason", sa.String(64)),
        sa.Column("hour", moment),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("last_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("feed", "reason", "hour", name="pk_event_refusal"),
        comment="how many requests were refused, by feed, reason and hour",
    )
    op.create_table(
        "event_ref",
        sa.Column("kind", sa.String(16)),
        sa.Column("ref", sa.String(255)),
        sa.Column("sequence", sa.BigInteger),
        sa.PrimaryKeyConstraint("ref", "kind", "sequence", name="pk_event_ref"),
        sa.ForeignKeyConstraint(["sequence"], ["event.sequence"], name="fk_event_ref_sequence"),
        comment="every reference an applied event names, so that a trace finds it by any of them",
    )
    op.create_table(
        "event_field",
        sa.Column("feed", sa.String(128)),
        sa.Column("source_type", sa.String(255)),
        sa.Column("version", sa.String(128)),
        sa.Column("path", sa.String(255)),
        sa.Column("first_sequence", sa.BigInteger, nullable=False),
        sa.Column("first_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("feed", "source_type", "version", "path", name="pk_event_field"),
        comment="every field seen in a sender's events, by type and version, and since when",
    )
    op.create_table(
        "subject",
        sa.Column("entity", sa.String(128)),
        sa.Column("kind", sa.String(16)),
        sa.Column("ref", sa.String(255)),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("amount", sa.String(64)),
        sa.Column("currency", sa.String(3)),
        sa.Column("correlation_id", sa.String(255), nullable=False),
        sa.Column("feed", sa.String(128), nullable=False),
        sa.Column("events", sa.Integer, nullable=False),
        sa.Column("first_at", moment, nullable=False),
        sa.Column("last_at", moment, nullable=False),
        sa.Column("figures", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("entity", "kind", "ref", name="pk_subject"),
        comment="one row an invoice, payment, payout or usage record: what its events come to",
    )
    op.create_index("ix_subject_ref", "subject", ["ref"])
    op.create_index("ix_subject_last_at", "subject", ["last_at"])
    op.create_table(
        "expectation",
        sa.Column("entity", sa.String(128)),
        sa.Column("kind", sa.String(16)),
        sa.Column("ref", sa.String(255)),
        sa.Column("what", sa.String(32)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("due", moment, nullable=False),
        sa.Column("met_on", sa.Date),
        sa.Column("met_by", sa.Text),
        sa.Column("searched", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("entity", "kind", "ref", "what", name="pk_expectation"),
        sa.ForeignKeyConstraint(
            ["entity", "kind", "ref"],
            ["subject.entity", "subject.kind", "subject.ref"],
            name="fk_expectation_entity_kind_ref",
        ),
        comment="what a subject's events let one expect of the batch, by when, and what met it",
    )
    op.create_index("ix_expectation_state", "expectation", ["state", "due"])
    op.create_table(
        "event_action",
        sa.Column("id", number, autoincrement=True),
        sa.Column("sequence", sa.BigInteger),
        sa.Column("feed", sa.String(128), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("who", sa.String(255), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("done_at", moment, nullable=False),
        sa.Column("before", sa.JSON, nullable=False),
        sa.Column("after", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event_action"),
        comment="one row a replay, discard or import by a person; only ever added to",
    )
