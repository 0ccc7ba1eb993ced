"""How `tieout events` prints what it lists: text for a person, fields for a script."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import click

from tieout.cli.common import say
from tieout.events.model import InboxEvent
from tieout.render.layout import printable


def event_facts(one: InboxEvent) -> dict[str, Any]:
    """An event without its body and headers."""
    told = one.envelope
    return {
        "sequence": one.sequence,
        "feed": one.feed,
        "event_id": one.event_id,
        "state": one.state,
        "type": told["type"] or told["source_type"],
        "subject": one.envelope["subject_ref"],
        "amount": told["amount"],
        "currency": told["currency"],
        "occurred_at": one.occurred_at.isoformat(),
        "received_at": one.received_at.isoformat(),
        "duplicates": one.duplicates,
        "attempts": one.attempts,
        "problem": one.problem,
        "envelope": dict(told),
    }


def print_events(found: Sequence[InboxEvent], as_json: bool, none: str) -> None:
    """Print events with their problems; `none` is what is said when there are none."""
    if as_json:
        click.echo(json.dumps([event_facts(one) for one in found], indent=2))
        return
    for one in found:
        told = event_facts(one)
        money = f"{told['amount']} {told['currency']}" if told["amount"] else ""
        click.echo(
            printable(
                f"{one.sequence:>9}  {one.occurred_at:%Y-%m-%d %H:%M:%S}Z  {one.feed}  "
                f"{one.state:<9}  {told['type']}  {told['subject'] or one.event_id}  {money}"
            ).rstrip()
        )
        if one.problem is not None:
            click.echo(printable(f"{'':11}{one.problem['code']}: {one.problem['reason']}"))
            click.echo(printable(f"{'':11}-> {one.problem['remedy']}"))
    if not found:
        say(f"{none[:1].upper()}{none[1:]}.")


def facts_of(one: Any) -> dict[str, Any]:
    """The fields of a dataclass."""
    return {name: getattr(one, name) for name in one.__dataclass_fields__}


def row_facts(row: Iterable[Any] | dict[str, Any]) -> dict[str, Any]:
    """A row of the register for JSON: times as text, no raw bytes."""
    return {
        name: value.isoformat() if hasattr(value, "isoformat") else value
        for name, value in dict(row).items()
        if not isinstance(value, bytes)
    }
