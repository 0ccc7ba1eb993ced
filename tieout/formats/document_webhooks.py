"""The part of docs/formats.md on senders' webhooks: how they are signed, what their types mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tieout.formats.models import Format
from tieout.formats.webhook import EventRule, Places, Scheme, Webhook, listed

_SCHEMES: Mapping[Scheme, str] = {
    "stripe": "`Stripe-Signature`: the time and the body are signed.",
    "standard_webhooks": "`webhook-signature`: id, time and body are signed.",
    "cloudevents": "`Tieout-Signature`: time and body are signed, and in the binary mode the "
    "headers content-type and ce-*.",
    "adyen": "`additionalData.hmacSignature` of each item: eight of its fields are signed.",
    "hmac": "`Tieout-Signature`: the time and the body are signed.",
}


def section(layout: Format) -> Iterator[str]:
    """The section of one sender, line by line."""
    webhook = layout.webhook
    assert webhook is not None
    yield f"## {layout.title}\n"
    yield f"`{layout.name}`, {layout.kind} lines, by webhook. The sender's documentation: "
    yield f"{layout.documentation}\n"
    yield from (f"- {note}" for note in layout.notes)
    yield f"- Signed by {_SCHEMES[webhook.scheme]} See {webhook.documentation}."
    yield from (f"- {told}" for told in _reading(webhook))
    yield "\n| the sender's type | ours | references | amount |\n|---|---|---|---|"
    for name, rule in webhook.types.items():
        refs = ", ".join(f"{kind} {_places(places)}" for kind, places in rule.refs.items())
        yield f"| `{name}` | {rule.type} | {refs} | {_amount(rule)} |"
    if webhook.ignored:
        yield f"\nKept, and of no meaning here: {', '.join(f'`{p}`' for p in webhook.ignored)}."
    yield "Any other type waits in the dead letters.\n"


def _reading(webhook: Webhook) -> Iterator[str]:
    yield f"The same event: {_joined(webhook.event_id)}. Its type: {_joined(webhook.type)}."
    yield f"When it happened: {_places(webhook.occurred_at)} ({webhook.occurred_format})."
    if webhook.version:
        known = ", ".join(f"`{v}`" for v in webhook.versions) or "any"
        yield f"Version: {_places(webhook.version)}; understood: {known}."
    if webhook.account:
        yield f"Entity: {_places(webhook.account)}, by a name it is known by; else the feed's."
    if webhook.correlation_id:
        yield f"Correlation id: {_places(webhook.correlation_id)}, else derived."
    if webhook.sequence:
        account = f" of {_places(webhook.sequence.account)}" if webhook.sequence.account else ""
        yield f"The sender's numbering: {_places(webhook.sequence.number)}{account}."
    if webhook.minor_units:
        yield "Amounts are whole numbers of minor units."


def _amount(rule: EventRule) -> str:
    if rule.amount is None or rule.currency is None:
        return "none"
    sign = "less " if rule.negative else ""
    return f"{sign}{_places(rule.amount)} in {_places(rule.currency)}"


def _places(places: Places) -> str:
    return " or ".join(f"`{p}`" for p in listed(places))


def _joined(places: Places) -> str:
    return " and ".join(f"`{p}`" for p in listed(places))
