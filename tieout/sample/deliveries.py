"""Deliveries that do not tie: which, what they lack, and how that is labelled."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final

import polars as pl

from tieout.model import SideName
from tieout.sample.business import stamp
from tieout.sample.files import FLAWLESS, Flaws
from tieout.sample.labels import Labels
from tieout.sample.plan import Plan
from tieout.sample.usage import HOURS, missing_hour

_OF_STRIPE: Final[tuple[tuple[str, SideName], ...]] = (
    ("settlement_to_ledger", "source"),
    ("fees_to_schedule", "source"),
    ("events_to_settlement", "target"),
    ("events_to_payouts", "target"),
)
READ_BY: Final[dict[str, tuple[tuple[str, SideName], ...]]] = {
    "stripe_us": _OF_STRIPE,
    "stripe_uk": _OF_STRIPE,
    "adyen": (("settlement_to_ledger", "source"), ("fees_to_schedule", "source")),
    "usage": (("usage_to_invoice", "source"), ("usage_to_ledger", "source")),
    "billing": (
        ("invoice_to_ledger", "source"),
        ("invoice_to_receivable", "source"),
        ("usage_to_invoice", "target"),
        ("events_to_invoices", "target"),
    ),
    "billing_events": (("events_to_invoices", "source"),),
    "erp": (
        ("settlement_to_ledger", "target"),
        ("invoice_to_ledger", "target"),
        ("invoice_to_receivable", "target"),
    ),
}
"""The reconciliations that read a feed, and as which side."""
_LOST: Final = {
    "stripe_us": ("USD", Decimal("125.00")),
    "stripe_uk": ("GBP", Decimal("80.00")),
    "adyen": ("EUR", Decimal("96.50")),
    "usage": ("USD", Decimal("0.0125000000")),
    "billing": ("USD", Decimal("490.00")),
    "erp": ("USD", Decimal("310.00")),
}
"""The row that a sender's manifest states and its file does not have."""


def label(labels: Labels, break_class: str, feed: str, day: date, ref: str, amount: int) -> None:
    """Label a break of a delivery in every reconciliation that reads it."""
    lines = pl.DataFrame({"line_id": [f"{feed}@{day}/{ref}"], "amount": [amount]})
    for reconciliation, side in READ_BY[feed]:
        labels.add(reconciliation, break_class, side, lines)


def flaws(plan: Plan, feed: str, day: date, labels: Labels) -> Flaws:
    """What is wrong with the delivery of a feed on a day; labelled where it is a break."""
    lost = _LOST[feed] if plan.at(f"manifest {feed}", day) else None
    if lost is not None:
        label(labels, "count_mismatch", feed, day, "manifest", 0)
        gap = int(lost[1].scaleb(2).to_integral_value())
        label(labels, "control_total_mismatch", feed, day, "manifest", gap)
    spoiled = _spoiled(feed, day) if plan.at(f"refused {feed}", day) else FLAWLESS
    return Flaws(spoiled.spoiled, spoiled.spoiled_amount, lost)


def hours_delivered(plan: Plan, day: date) -> list[int]:
    """The hours of a day that usage is delivered for: all, but for one on some days."""
    missing = plan.at("usage_hour", day)
    return [h for h in range(HOURS) if missing is None or h != missing_hour(missing)]


def usage_hours(plan: Plan, day: date, labels: Labels) -> dict[int, Flaws]:
    """The hours of a day that usage is delivered for, and what is wrong with each."""
    hours = dict.fromkeys(hours_delivered(plan, day), FLAWLESS)
    missing = plan.at("usage_hour", day)
    if missing is not None:
        hour = missing_hour(missing)
        label(labels, "missing_extract", "usage", day, f"{day}-{hour:02d}:00", 0)
    short = plan.at("manifest usage", day)
    if short is not None:
        hours[short.nth % HOURS] = flaws(plan, "usage", day, labels)
    return hours


def _spoiled(feed: str, day: date) -> Flaws:
    """A row that cannot be read: a date that is none, a currency that is none."""
    if feed == "billing":
        cells = {
            "Invoice Item ID": f"II-{stamp(day)}-void-1",
            "Currency": "USX",
            "Charge Amount": "10.00",
            "Tax Amount": "0.00",
        }
        return Flaws(cells, ("USX", Decimal("10.00")))
    if feed == "erp":
        cells = {
            "Transaction ID": f"9{stamp(day)}0000000",
            "Date": "2026-02-30",
            "Currency": "USD",
            "Debit (Foreign)": "15.00",
            "Credit (Foreign)": "",
            "Amount (Foreign)": "15.00",
        }
        return Flaws(cells, ("USD", Decimal("15.00")))
    cells = {
        "balance_transaction_id": f"txn_void_{stamp(day)}",
        "source_id": f"ch_void_{stamp(day)}",
        "created": "2026-13-45 00:00:00",
        "reporting_category": "charge",
        "gross": "12.00",
        "fee": "0.00",
        "net": "12.00",
    }
    return Flaws(cells, ("USD", Decimal("12.00")))


def sent_again(plan: Plan, feed: str, day: date, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of a delivery, one of them twice on some days."""
    injection = plan.at(f"again {feed}", day)
    if injection is None or rows.is_empty():
        return rows
    return pl.concat([rows, rows.slice(injection.nth % rows.height, 1)])
