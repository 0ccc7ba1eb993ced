"""A company whose events come by webhook, and the extracts they are held against."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from tieout.events import inbox
from tieout.events.model import Envelope, EventState, NewEvent, Problem
from tieout.register.register import Register

CONFIG = """
company: Webhooks
calendar: {start: 2026-10-01}
entities:
  NL: {name: Netherlands, currency: EUR, known_as: [acct_nl]}
  US: {name: America, currency: USD, known_as: [acct_us]}
accounts:
  "*": {"1200": clearing}
REGISTER
formats: formats
feeds:
  events:
    format: numbered_events
    inbox:
      secrets: [a-key-for-tests]
      expects:
        payment: {feeds: [card], posted_by: card_to_ledger}
        invoice: {feeds: [bills], line_within_hours: 30}
  card: {format: card, location: "card/{date}.csv"}
  bills: {format: bills, location: "bills/{date}.csv"}
  ledger: {format: ledger_csv, location: "ledger/{date}.csv", entity: NL}
reconciliations:
  payments_told:
    source: {feeds: [events], where: {type: [payment.succeeded]}}
    target: {feeds: [card], where: {category: [charge]}}
    timing_days: [-1, 1]
    passes:
      - name: by_payment
        shape: one_to_one
        key: {source: [payment_ref], target: [payment_ref]}
  invoices_told:
    source: {feeds: [bills]}
    target: {feeds: [events], where: {type: [invoice.issued]}}
    timing_days: [-1, 1]
    passes:
      - name: by_invoice
        shape: many_to_one
        key: {source: [invoice_ref], target: [invoice_ref]}
  card_to_ledger:
    source: {feeds: [card], where: {category: [charge]}}
    target: {feeds: [ledger], where: {account_class: [clearing]}}
    timing_days: [0, 2]
    passes:
      - name: by_payment
        shape: one_to_one
        key: {source: [payment_ref], target: [document_ref]}
"""
"""Events told of payments and invoices, against card settlements and invoice lines."""

EVENTS_FORMAT = """
name: numbered_events
title: Events with a number
kind: event
documentation: tests
webhook:
  scheme: hmac
  documentation: tests
  event_id: id
  type: type
  occurred_at: at
  account: account
  sequence: {number: number, account: account}
  types:
    payment.succeeded:
      type: payment.succeeded
      refs: {payment: payment}
      amount: amount
      currency: currency
    invoice.issued:
      type: invoice.issued
      refs: {invoice: invoice}
      amount: amount
      currency: currency
    payment.failed: {type: payment.failed, refs: {payment: payment}}
"""
CARD_FORMAT = """
name: card
title: Card settlements
kind: settlement
documentation: tests
reader: {type: csv}
recognise: [id, charged]
columns:
  id: {header: id, description: of the tests, required: true}
  charged: {header: charged, description: of the tests, type: decimal, required: true}
  day: {header: day, description: of the tests, type: date, format: "%Y-%m-%d", required: true}
  entity: {header: entity, description: of the tests}
  currency: {header: currency, description: of the tests}
  payment: {header: payment, description: of the tests}
line_id: id
row:
  entity: entity
  currency: currency
  occurred_on: day
  period: day
  payment_ref: payment
lines:
  - columns: {amount: charged, category: "'charge'"}
control_amount: charged
"""
BILLS_FORMAT = """
name: bills
title: Invoice lines
kind: invoice
documentation: tests
reader: {type: csv}
recognise: [line, invoice]
columns:
  line: {header: line, description: of the tests, required: true}
  invoice: {header: invoice, description: of the tests, required: true}
  billed: {header: billed, description: of the tests, type: decimal, required: true}
  day: {header: day, description: of the tests, type: date, format: "%Y-%m-%d", required: true}
  entity: {header: entity, description: of the tests}
  currency: {header: currency, description: of the tests}
line_id: line
row:
  entity: entity
  currency: currency
  occurred_on: day
  period: day
  invoice_ref: invoice
  issued_on: day
lines:
  - columns: {amount: billed, line_type: "'charge'"}
control_amount: billed
"""


def company(folder: Path, register_url: str | None = None) -> Path:
    """Write the configuration and its formats; the path of the configuration."""
    (folder / "formats").mkdir(parents=True)
    for name, text in (("events", EVENTS_FORMAT), ("card", CARD_FORMAT), ("bills", BILLS_FORMAT)):
        (folder / "formats" / f"{name}.yaml").write_text(text, encoding="utf-8")
    config = folder / "tieout.yaml"
    register = f'register_url: "{register_url}"' if register_url else ""
    config.write_text(CONFIG.replace("REGISTER", register), encoding="utf-8")
    return config


def event(
    event_id: str,
    day: date,
    *,
    type: str = "payment.succeeded",  # noqa: A002 - the event's own word
    ref: str = "p1",
    amount: str | None = "10.00",
    minute: int = 0,
    number: int | None = None,
    state: EventState = "new",
    problem: Problem | None = None,
    **changes: Any,
) -> NewEvent:
    """One event as the intake would have read it."""
    kind = type.partition(".")[0]
    told: dict[str, Any] = {
        "source_type": type,
        "version": None,
        "type": type,
        "occurred_at": datetime.combine(day, time(), UTC) + timedelta(minutes=minute),
        "entity": "NL",
        "account": "acct_nl",
        "refs": {kind: ref},
        "subject_kind": kind,
        "subject_ref": ref,
        "amount": amount,
        "currency": None if amount is None else "EUR",
        "correlation_id": ref,
        "sequence": number,
    }
    body = json.dumps({"id": event_id, "amount": amount}).encode()
    return NewEvent(
        feed="events",
        event_id=event_id,
        body=body,
        body_sha256=hashlib.sha256(body).hexdigest(),
        headers={},
        envelope=Envelope(**{**told, **changes}),
        state=state,
        problem=problem,
    )


def receive(register: Register, events: Sequence[NewEvent]) -> None:
    """Commit events, as the intake does."""
    with register.writing() as connection:
        inbox.store(connection, events)


def put(config: Path, name: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Write a CSV file of a feed."""
    path = config.parent / name
    path.parent.mkdir(exist_ok=True)
    header = list(rows[0])
    lines = [",".join(header), *(",".join(str(r[h]) for h in header) for r in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def charge(payment: str, amount: str, day: date) -> dict[str, object]:
    """A row of the card feed."""
    return {
        "id": f"c-{payment}",
        "charged": amount,
        "day": day,
        "entity": "NL",
        "currency": "EUR",
        "payment": payment,
    }


def bill(line: str, invoice: str, amount: str, day: date) -> dict[str, object]:
    """A row of the invoice lines."""
    return {
        "line": line,
        "invoice": invoice,
        "billed": amount,
        "day": day,
        "entity": "NL",
        "currency": "EUR",
    }


def post(config: Path, day: date, payments: Mapping[str, str]) -> None:
    """Write the ledger's postings of payments to the clearing account, by document."""
    rows: list[dict[str, object]] = [
        {
            "line_id": f"L-{payment}-{amount}",
            "posting_date": day,
            "journal_ref": f"J-{payment}",
            "document_ref": payment,
            "account": "1200",
            "currency": "EUR",
            "debit": amount,
            "credit": "",
            "status": "posted",
        }
        for payment, amount in payments.items()
    ]
    put(config, f"ledger/{day}.csv", rows)


@dataclass(frozen=True)
class Located:
    """The company's folder, its configuration and its home, for processes that run it."""

    folder: Path
    config: Path
    home: Path


def located(folder: Path) -> Located:
    """Write the configuration into a folder."""
    return Located(folder, company(folder / "company"), folder / "home")
