"""What a format declaration says of a sender's webhooks: where an event has what, what it means.

A place is a dotted path into the JSON of one event (`data.object.id`, numbers count list items from
0), or `header:NAME`. Of several places the first with a value is taken, except where they are said
to be joined.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from tieout.rules import Part

EventType = Literal[
    "invoice.issued",
    "invoice.voided",
    "invoice.paid",
    "invoice.credited",
    "payment.succeeded",
    "payment.failed",
    "payment.refunded",
    "payment.disputed",
    "payment.dispute_closed",
    "payout.paid",
    "payout.failed",
    "usage.reported",
]
RefKind = Literal["customer", "subscription", "invoice", "payment", "payout", "usage", "document"]
Scheme = Literal["stripe", "standard_webhooks", "cloudevents", "adyen", "hmac"]
Place = Annotated[str, StringConstraints(pattern=r"^(header:)?[A-Za-z0-9_.:@-]{1,200}$")]
Places = Place | tuple[Place, ...]


def listed(places: Places) -> tuple[str, ...]:
    """One place or several, as several."""
    return (places,) if isinstance(places, str) else places


class EventRule(Part):
    """What one of the sender's event types means. The subject is the ref of the type's own kind."""

    type: EventType
    """Our word. What stands before its dot is the kind of its subject."""
    refs: dict[RefKind, Places]
    """Kind -> where its reference stands; that of the subject is needed. `document` is what
    extracts name the event's own document or movement by, where that is another than its subject's
    reference: the number of an invoice, the id of a refund."""
    amount: Places | None = None
    """Where the amount stands; an event that moves no money has none."""
    currency: Places | None = None
    """Where its currency stands."""
    negative: bool = False
    """The sender writes what it takes from us without a sign: a refund, a dispute."""

    @model_validator(mode="after")
    def _has_its_subject(self) -> EventRule:
        kind = self.type.partition(".")[0]
        if kind not in self.refs:
            raise ValueError(f"{self.type} needs refs.{kind}, the reference of its subject")
        if (self.amount is None) != (self.currency is None):
            raise ValueError("amount and currency go together")
        return self


class SenderSequence(Part):
    """A number that goes up by one from event to event, for each account on its own."""

    number: Places
    account: Places | None = None


class Webhook(Part):
    """A sender's webhooks: how they are signed, and how an event is read."""

    scheme: Scheme
    """How requests are signed and framed (docs/security.md says what each scheme covers)."""
    documentation: str
    """Where the sender documents it."""
    event_id: Places
    """What makes an event the same one when it is sent again; several places are joined by `:`."""
    type: Places
    """The sender's word for what happened; several places are joined by `:`."""
    occurred_at: Places
    """When it happened, at the sender."""
    occurred_format: Literal["unix", "iso8601"] = "iso8601"
    """`unix`: seconds since 1970."""
    version: Places | None = None
    """Where the event says by which version of the sender's schema it is written."""
    versions: tuple[str, ...] = ()
    """Versions that are understood, as patterns (`2025-*`); an event of another one waits for a
    person. Empty: any."""
    account: Places | None = None
    """The sender's account or merchant, one of the names an entity is known by; without it the
    feed's entity."""
    correlation_id: Places | None = None
    """Where the sender has one of its own; else it is derived (docs/domain.md)."""
    minor_units: bool = False
    """Amounts are whole numbers of minor units (cents)."""
    sequence: SenderSequence | None = None
    """The sender's own numbering, by which gaps are seen."""
    types: dict[str, EventRule] = Field(min_length=1)
    """The sender's type -> what it means."""
    ignored: tuple[str, ...] = ()
    """Patterns of the sender's types that are kept and mean nothing here; any other type that is
    not in `types` waits for a person."""
