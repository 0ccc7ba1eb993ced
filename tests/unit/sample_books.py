"""The sample's extracts read in plain Python: the oracle of the sample's tests.

Nothing here comes from the generator: csv, json, Decimal, and what the senders document.
"""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

CURRENCIES = {"USD", "GBP", "EUR", "JPY"}
CLEARING = {"1090", "1460"}
RECEIVABLE = {"1200", "1400"}
REVENUE = {"2400", "3900", "4000", "4100", "4200", "4400", "4410", "4420"}
TAX = {"2200", "3806"}
STRIPE_CATEGORIES = {
    "charge": "charge",
    "refund": "refund",
    "dispute": "chargeback",
    "dispute_reversal": "chargeback_reversal",
    "fee": "fee",
    "topup": "transfer",
    "payout": "payout",
}
ADYEN_CATEGORIES = {
    "Settled": "charge",
    "Refunded": "refund",
    "Chargeback": "chargeback",
    "ChargebackReversed": "chargeback_reversal",
    "Fee": "fee",
    "MerchantPayout": "payout",
}
MERCHANTS = {"NorthwayDE": "NWDE", "NorthwayUS_JPY": "NWUS"}
ISSUERS = {
    "Northway Cloud Inc.": "NWUS",
    "Northway Cloud Ltd": "NWUK",
    "Northway Cloud GmbH": "NWDE",
}


@dataclass(frozen=True)
class Line:
    """A settlement line, after a row came apart."""

    feed: str
    line_id: str
    entity: str
    currency: str
    amount: Decimal
    day: date
    batch: str
    ref: str
    category: str
    shown_in: str = ""
    shown: Decimal = Decimal(0)
    """What the customer saw, where that is in another currency."""


@dataclass(frozen=True)
class Posting:
    """A leg of a journal."""

    line_id: str
    journal: str
    entity: str
    currency: str
    amount: Decimal
    functional: Decimal
    posted_on: date
    delivered_on: date
    account: str
    document: str
    batch: str
    ref: str
    category: str
    reversal_of: str


@dataclass
class Books:
    """Everything a sample has delivered."""

    settlement: list[Line] = field(default_factory=list)
    batches: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    """(feed, batch) -> sum of the net amounts of its rows, payout included."""
    postings: list[Posting] = field(default_factory=list)
    items: list[dict[str, str]] = field(default_factory=list)
    usage: list[dict[str, str]] = field(default_factory=list)
    labels: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    """(reconciliation, side) -> line id -> class."""
    delivery_labels: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    sent_twice: int = 0
    refused: int = 0

    def label(self, reconciliation: str, side: str, line_id: str) -> str | None:
        """The class a line is labelled with, if any."""
        return self.labels.get((reconciliation, side), {}).get(line_id)


def read_books(folder: Path) -> Books:
    """Read every extract and the labels of a sample."""
    books = Books()
    for feed, entity in (("stripe_us", "NWUS"), ("stripe_uk", "NWUK")):
        for day, row in _rows(books, folder, feed):
            _read_stripe(books, feed, entity, day, row)
    for day, row in _rows(books, folder, "adyen"):
        _read_adyen(books, day, row)
    books.items = [row for _, row in _rows(books, folder, "billing")]
    books.usage = [row for _, row in _rows(books, folder, "usage")]
    books.postings = [_posting(day, row) for day, row in _rows(books, folder, "erp")]
    with (folder / "labels.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            key = (row["reconciliation"], row["side"])
            if "@" in row["line_id"]:
                books.delivery_labels[(key[0], row["class"], key[1], row["line_id"])] += 1
                continue
            lines = books.labels.setdefault(key, {})
            assert row["line_id"] not in lines, f"{row} is labelled twice"
            lines[row["line_id"]] = row["class"]
    return books


def raw_rows(path: Path) -> list[dict[str, str]]:
    """The rows of one file as they stand in it."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def control(feed: str, row: dict[str, str]) -> tuple[str, Decimal]:
    """Currency and control amount of a row, as its sender adds it up."""
    if feed.startswith("stripe"):
        return row["currency"].upper(), Decimal(row["net"])
    if feed == "adyen":
        return row["Net Currency"], _money(row["Net Credit (NC)"]) - _money(row["Net Debit (NC)"])
    if feed == "usage":
        return row["BillingCurrency"], Decimal(row["BilledCost"])
    if feed == "billing":
        return row["Currency"], Decimal(row["Charge Amount"]) + Decimal(row["Tax Amount"])
    return row["Currency"], _money(row["Debit (Foreign)"])


def manifest(path: Path) -> dict[str, object]:
    """What the sender states beside a file."""
    stated = json.loads(path.with_name(path.name + ".manifest.json").read_text())
    assert isinstance(stated, dict)
    return stated


def file_day(path: Path) -> date:
    """The day a file was delivered for."""
    return date.fromisoformat(path.stem.rsplit("_", 1)[1][:10])


def _rows(books: Books, folder: Path, feed: str) -> Iterator[tuple[date, dict[str, str]]]:
    for path in sorted((folder / feed).glob("*.csv")):
        seen: set[tuple[str, ...]] = set()
        for row in raw_rows(path):
            if _refused(feed, row):
                books.refused += 1
            elif tuple(row.values()) in seen:
                books.sent_twice += 1
            else:
                seen.add(tuple(row.values()))
                yield file_day(path), row


def _refused(feed: str, row: dict[str, str]) -> bool:
    currency, _ = control(feed, row)
    stamp = row.get("created") or row.get("Date") or "2000-01-01"
    try:
        datetime.fromisoformat(stamp)
    except ValueError:
        return True
    return currency not in CURRENCIES


def _read_stripe(books: Books, feed: str, entity: str, day: date, row: dict[str, str]) -> None:
    gross, fee, net = (Decimal(row[name]) for name in ("gross", "fee", "net"))
    category = STRIPE_CATEGORIES[row["reporting_category"]]
    key, batch = row["balance_transaction_id"], row["automatic_payout_id"]

    def line(line_id: str, what: str, amount: Decimal) -> Line:
        currency = row["currency"].upper()
        return Line(feed, line_id, entity, currency, amount, day, batch, row["source_id"], what)

    whole = line(key, category, gross)
    if row["customer_facing_currency"] not in ("", row["currency"]):
        shown = Decimal(row["customer_facing_amount"])
        whole = replace(whole, shown_in=row["customer_facing_currency"].upper(), shown=shown)
    books.settlement.append(whole)
    if fee:
        books.settlement.append(line(f"{key}:fee", "fee", -fee))
    if gross - fee != net:
        rest = net - gross + fee
        books.settlement.append(line(f"{key}:out_of_balance", "out_of_balance", rest))
    books.batches[(feed, batch)] = books.batches.get((feed, batch), Decimal(0)) + net


def _read_adyen(books: Books, day: date, row: dict[str, str]) -> None:
    net = _money(row["Net Credit (NC)"]) - _money(row["Net Debit (NC)"])
    gross = _money(row["Gross Credit (GC)"]) - _money(row["Gross Debit (GC)"])
    costs = ("Commission (NC)", "Markup (NC)", "Scheme Fees (NC)", "Interchange (NC)")
    fee = sum((_money(row[name]) for name in costs), Decimal(0))
    created = datetime.fromisoformat(row["Creation Date"]) - timedelta(hours=1)
    if row["Psp Reference"]:
        line_id = f"{row['Psp Reference']}.{row['Type']}.{row['Modification Reference']}"
        assert gross - fee == net
    else:
        about = row["Modification Reference"].replace(" ", "-")
        stamp = f"{created:%Y%m%d%H%M%S}"
        line_id = ".".join(
            (row["Merchant Account"], row["Batch Number"], row["Type"], stamp, about)
        )
        gross = net
    batch = row["Batch Number"]

    def line(name: str, what: str, amount: Decimal) -> Line:
        entity, currency = MERCHANTS[row["Merchant Account"]], row["Net Currency"]
        return Line("adyen", name, entity, currency, amount, day, batch, "", what)

    books.settlement.append(line(line_id, ADYEN_CATEGORIES[row["Type"]], gross))
    if fee:
        books.settlement.append(line(f"{line_id}:fee", "fee", -fee))
    books.batches[("adyen", batch)] = books.batches.get(("adyen", batch), Decimal(0)) + net


def _posting(day: date, row: dict[str, str]) -> Posting:
    amount = _money(row["Debit (Foreign)"]) - _money(row["Credit (Foreign)"])
    assert amount == Decimal(row["Amount (Foreign)"])
    return Posting(
        line_id=f"{row['Transaction ID']}-{row['Line ID']}",
        journal=row["Transaction ID"],
        entity=ISSUERS[row["Subsidiary"]],
        currency=row["Currency"],
        amount=amount,
        functional=Decimal(row["Amount"]),
        posted_on=date.fromisoformat(row["Date"]),
        delivered_on=day,
        account=row["Account Number"],
        document=row["Document Number"],
        batch=row["custbody_batch_ref"],
        ref=row["custcol_line_ref"],
        category=row["custcol_settlement_category"],
        reversal_of=row["Reversal Of"],
    )


def standing(postings: list[Posting]) -> list[Posting]:
    """Postings without the pairs that a reversal cancels."""
    cancelled: set[str] = set()
    by_journal: dict[tuple[str, str, str, Decimal], list[Posting]] = defaultdict(list)
    for posting in postings:
        key = (posting.journal, posting.account, posting.currency, posting.amount)
        by_journal[key].append(posting)
    for posting in postings:
        if posting.reversal_of:
            key = (posting.reversal_of, posting.account, posting.currency, -posting.amount)
            cancelled |= {posting.line_id, by_journal[key].pop().line_id}
    return [posting for posting in postings if posting.line_id not in cancelled]


def _money(text: str) -> Decimal:
    return Decimal(text or 0)
