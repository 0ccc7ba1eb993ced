"""A row of the deliveries table, and how its figures are written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from tieout.lines.tally import Tally
from tieout.money import NO_CURRENCY, known_currencies, text_amount

Delivery = dict[str, Any]
"""One row of the deliveries table (lines.columns.DELIVERIES)."""


@dataclass(frozen=True)
class Source:
    """The extract a comparison is about."""

    feed: str
    received_on: date
    sha256: str | None
    file: str | None


def delivery_row(
    source: Source, check: str, ref: str, *, entity: str | None = None, currency: str | None = None
) -> Delivery:
    """A row with nothing but its place; the comparison fills in what it is about.

    A currency that ISO 4217 does not know is none: statements are made of known ones.
    """
    return {
        "feed": source.feed,
        "received_on": source.received_on,
        "extract_sha256": source.sha256,
        "file": source.file,
        "check": check,
        "ref": ref,
        "entity": entity,
        "currency": None if currency is None else known(currency),
        "stated_count": None,
        "found_count": None,
        "stated_amount": None,
        "found_amount": None,
        "break_class": None,
        "explanation": "",
    }


def known(currency: str) -> str:
    """The currency, or none where ISO 4217 does not know it."""
    return currency if currency in known_currencies() else NO_CURRENCY


def shown(amount: Decimal, currency: str) -> str:
    """An amount with its currency, also one that ISO 4217 does not know."""
    figure = text_amount(amount, known(currency))
    return f"{figure} {currency}"


def about_refused(tally: Tally) -> str:
    """How many rows of the extract are in quarantine, for the end of an explanation."""
    if not tally.refused:
        return ""
    rows = "one row" if tally.refused == 1 else f"{tally.refused} rows"
    return f" ({rows} of the extract in quarantine)"
