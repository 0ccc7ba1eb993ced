"""What an event is to Tieout: as received, as read, as stored. Plain immutable values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

EventState = Literal["new", "applied", "ignored", "dead", "discarded"]
"""new: waits to be applied; ignored: kept, means nothing here; dead: waits for a person."""
Outcome = Literal["new", "duplicate", "conflict"]
ProblemClass = Literal["transient", "business"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an event waits for a person, and what that person can do.

    `code` is one of: unmapped_type, unknown_version, unknown_account, missing_value, bad_time,
    invalid_amount, unknown_currency, malformed, unappliable (all business), or what an attempt met
    (transient): database, lock, timeout.
    """

    error_class: ProblemClass
    code: str
    reason: str
    remedy: str

    def as_json(self) -> dict[str, Any]:
        """As the inbox keeps it."""
        return {
            "class": self.error_class,
            "code": self.code,
            "reason": self.reason,
            "remedy": self.remedy,
        }


@dataclass(frozen=True, slots=True)
class Envelope:
    """What an event says, in our words; what cannot be read is None, and a Problem says so.

    `amount` is plain decimal text in major units, positive when money comes to us. `refs` has the
    references by kind (customer, subscription, invoice, payment, payout,
    usage, document). `sequence` is the
    sender's own number, of `account`.
    """

    source_type: str
    version: str | None
    type: str | None
    occurred_at: datetime | None
    entity: str | None
    account: str | None
    refs: Mapping[str, str]
    subject_kind: str | None
    subject_ref: str | None
    amount: str | None
    currency: str | None
    correlation_id: str | None
    sequence: int | None

    def as_json(self) -> dict[str, Any]:
        """As the inbox keeps it beside the raw body."""
        at = None if self.occurred_at is None else self.occurred_at.isoformat()
        return {
            "source_type": self.source_type,
            "version": self.version,
            "type": self.type,
            "occurred_at": at,
            "entity": self.entity,
            "account": self.account,
            "refs": dict(self.refs),
            "subject_kind": self.subject_kind,
            "subject_ref": self.subject_ref,
            "amount": self.amount,
            "currency": self.currency,
            "correlation_id": self.correlation_id,
            "sequence": self.sequence,
        }


@dataclass(frozen=True, slots=True)
class NewEvent:
    """One event as it came, read but not stored. `headers` are those that say what the body is."""

    feed: str
    event_id: str
    body: bytes
    body_sha256: str
    headers: Mapping[str, str]
    envelope: Envelope
    state: EventState
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of an event: new (with its sequence), a duplicate, or another body (conflict)."""

    outcome: Outcome
    sequence: int


@dataclass(frozen=True, slots=True)
class InboxEvent:
    """An event as the inbox has it. `envelope` and `problem` are the JSON of those above."""

    sequence: int
    feed: str
    event_id: str
    received_at: datetime
    occurred_at: datetime
    state: EventState
    attempts: int
    envelope: Mapping[str, Any]
    problem: Mapping[str, Any] | None
    duplicates: int
    next_try_at: datetime | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
