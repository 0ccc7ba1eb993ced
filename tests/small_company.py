"""A company small enough to check by hand: card payments, kiosk payments every hour, and a ledger.

Writes the extracts as outside systems would, and a tieout.yaml beside them. What the statements
must say is counted from the files by the tests themselves, with csv and Decimal only.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

CONFIGURATION = """
company: Small Company
calendar: {start: 2026-10-01}
entities:
  SC: {name: Small Company Inc., currency: USD, known_as: [SmallCompanyECOM]}
accounts:
  "*": {"1010": clearing, "1020": receivable}
feeds:
  card: {format: adyen_settlement_detail, location: "card/{date}.csv"}
  kiosk: {format: adyen_settlement_detail, location: "kiosk/{hour}.csv", every: hour}
  erp: {format: ledger_csv, location: "erp/{date}.csv", entity: SC}
reconciliations:
  card_to_ledger:
    description: Card payments and fees against the clearing account
    source: {feeds: [card], where: {category: [charge, fee]}}
    target: {feeds: [erp], where: {account_class: [clearing]}}
    timing_days: [0, 0]
    passes:
      - {name: by_line, shape: one_to_one, key: {source: [line_id], target: [line_ref]}}
  kiosk_to_ledger:
    description: Kiosk payments and fees against receivables
    source: {feeds: [kiosk], where: {category: [charge, fee]}}
    target: {feeds: [erp], where: {account_class: [receivable]}}
    timing_days: [0, 0]
    passes:
      - {name: by_line, shape: one_to_one, key: {source: [line_id], target: [line_ref]}}
"""

HEADER = (
    "Company Account,Merchant Account,Psp Reference,Merchant Reference,Payment Method,"
    "Creation Date,TimeZone,Type,Modification Reference,Gross Currency,Gross Debit (GC),"
    "Gross Credit (GC),Exchange Rate,Net Currency,Net Debit (NC),Net Credit (NC),Commission (NC),"
    "Markup (NC),Scheme Fees (NC),Interchange (NC),Payment Method Variant,"
    "Modification Merchant Reference,Batch Number"
).split(",")
LEDGER_HEADER = [
    "line_id",
    "posting_date",
    "journal_ref",
    "line_ref",
    "account",
    "currency",
    "amount",
]


@dataclass(frozen=True)
class Payment:
    """One payment and its fee, as the processor reports them."""

    ref: str
    at: str
    """`2026-10-05 13:20:00`."""
    gross: Decimal
    fee: Decimal

    @property
    def line_id(self) -> str:
        """The id of its charge line; the fee line's is the same with `:fee`."""
        return f"{self.ref}.Settled.M{self.ref}"

    def row(self) -> dict[str, str]:
        """The payment as a row of the settlement report."""
        return {
            "Company Account": "SmallCompany",
            "Merchant Account": "SmallCompanyECOM",
            "Psp Reference": self.ref,
            "Merchant Reference": f"INV-{self.ref}",
            "Payment Method": "visa",
            "Creation Date": self.at,
            "TimeZone": "UTC",
            "Type": "Settled",
            "Modification Reference": f"M{self.ref}",
            "Gross Currency": "USD",
            "Gross Credit (GC)": str(self.gross),
            "Exchange Rate": "1",
            "Net Currency": "USD",
            "Net Credit (NC)": str(self.gross - self.fee),
            "Commission (NC)": str(self.fee),
            "Batch Number": "1",
        }


@dataclass
class SmallCompany:
    """The folder with the extracts and the configuration."""

    folder: Path
    postings: dict[date, list[dict[str, str]]] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "tieout.yaml"

    @property
    def home(self) -> Path:
        """The home folder."""
        return self.folder / "home"

    def settle(self, window: str, payments: Iterable[Payment], feed: str = "card") -> Path:
        """Write an extract of payments for a day, or for an hour (`2026-10-05T13`).

        Each is a batch that is paid out at once, so that it sums to zero.
        """
        path = self.folder / feed / f"{window}.csv"
        paid = list(payments)
        rows = [payment.row() for payment in paid]
        _write(path, HEADER, [*rows, _payout(window, paid)] if paid else [])
        return path

    def post(self, day: date, line_ref: str, amount: Decimal, account: str = "1010") -> None:
        """Add a posting to the ledger's books of a day."""
        postings = self.postings.setdefault(day, [])
        number = f"{day}-{len(postings) + 1}"
        cells = (f"L{number}", str(day), f"J{number}", line_ref, account, "USD", str(amount))
        postings.append(dict(zip(LEDGER_HEADER, cells, strict=True)))

    def post_payments(self, day: date, payments: Iterable[Payment], account: str = "1010") -> None:
        """Post charges and fees as a ledger that makes no mistakes would."""
        for payment in payments:
            self.post(day, payment.line_id, payment.gross, account)
            self.post(day, f"{payment.line_id}:fee", -payment.fee, account)

    def close_books(self, days: Sequence[date]) -> None:
        """Write the ledger's extract of each day, with what was posted that day."""
        for day in days:
            _write(self.folder / "erp" / f"{day}.csv", LEDGER_HEADER, self.postings.get(day, []))


def small_company(folder: Path) -> SmallCompany:
    """An empty company with its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    company = SmallCompany(folder)
    company.config.write_text(CONFIGURATION, encoding="utf-8")
    return company


def payments_of(day: date, number: int, hour: int | None = None) -> list[Payment]:
    """Some payments of a day or an hour, none like another."""
    place = f"{day:%m%d}{'' if hour is None else f'{hour:02d}'}"
    return [
        Payment(
            ref=f"P{place}{n:03d}",
            at=f"{day} {9 + n % 12 if hour is None else hour:02d}:{n % 60:02d}:00",
            gross=Decimal(1000 + 37 * n + day.day) / 100,
            fee=Decimal(20 + n % 7) / 100,
        )
        for n in range(1, number + 1)
    ]


def days_from(first: date, number: int) -> list[date]:
    """Consecutive days."""
    return [first + timedelta(days=n) for n in range(number)]


def _payout(window: str, payments: Sequence[Payment]) -> dict[str, str]:
    """The row that pays a batch out."""
    return {
        "Company Account": "SmallCompany",
        "Merchant Account": "SmallCompanyECOM",
        "Creation Date": f"{window[:10]} {window[11:] or '23'}:59:00",
        "TimeZone": "UTC",
        "Type": "MerchantPayout",
        "Modification Reference": "payout",
        "Net Currency": "USD",
        "Net Debit (NC)": str(sum(p.gross - p.fee for p in payments)),
        "Batch Number": "1",
    }


def _write(path: Path, header: Sequence[str], rows: Sequence[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header, restval="")
        writer.writeheader()
        writer.writerows(rows)
