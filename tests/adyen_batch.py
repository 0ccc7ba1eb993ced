"""Adyen's batch 380 and ledgers for it in three styles, read and added up with csv and Decimal.

Nothing here comes from Tieout: ids, references, amounts and categories follow what Adyen says of
its report. A style is how finely a company posts its batches: a posting a line, one a category of
the batch, or one for all that the bank received.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

REAL = Path(__file__).resolve().parents[2] / "shared" / "real" / "adyen"
BATCH_380 = REAL / "settlement_detail_report_batch_380.csv"
CATEGORIES = {
    "Settled": "charge",
    "Refunded": "refund",
    "Fee": "fee",
    "MerchantPayout": "payout",
}
CLASSES = {"1090": "clearing", "6855": "fee", "1800": "bank", "1200": "receivable"}
CONTRA = {"charge": "1200", "refund": "1200", "fee": "6855", "payout": "1800"}
FIELDS = (
    "line_id posting_date journal_ref batch_ref line_ref category entity account currency amount"
).split()

Posting = dict[str, str]
Label = tuple[str, str, str]
"""Class, side and line."""


@dataclass(frozen=True)
class SourceLine:
    """A row's gross, or its fee; `ref` is empty for a row that is of no payment."""

    line_id: str
    ref: str
    category: str
    amount: Decimal


def source_lines() -> list[SourceLine]:
    """The lines of the batch."""
    found = []
    with BATCH_380.open(newline="") as file:
        for row in csv.DictReader(file):
            net = _money(row, "Net Credit (NC)") - _money(row, "Net Debit (NC)")
            gross = _money(row, "Gross Credit (GC)") - _money(row, "Gross Debit (GC)")
            category, ref = CATEGORIES[row["Type"]], row["Psp Reference"]
            if not ref:
                found.append(SourceLine(_own_id(row), "", category, net))
                continue
            line_id = f"{ref}.{row['Type']}.{row['Modification Reference']}"
            found.append(SourceLine(line_id, ref, category, gross))
            if net != gross:
                found.append(SourceLine(f"{line_id}:fee", ref, "fee", net - gross))
    return found


def _money(row: dict[str, str], column: str) -> Decimal:
    return Decimal(row[column] or 0)


def _own_id(row: dict[str, str]) -> str:
    at = datetime.fromisoformat(row["Creation Date"]) - timedelta(hours=1)
    about = re.sub("[^A-Za-z0-9_.:]+", "-", row["Modification Reference"])
    return f"{row['Merchant Account']}.380.{row['Type']}.{at:%Y%m%d%H%M%S}.{about}"


def total(lines: Iterable[SourceLine]) -> Decimal:
    """The sum of the amounts."""
    return sum((line.amount for line in lines), Decimal(0))


@dataclass
class Ledger:
    """Postings, and the source lines that each of those in question answers for."""

    rows: list[Posting] = field(default_factory=list)
    covers: dict[str, list[str]] = field(default_factory=dict)

    def post(
        self, name: str, lines: list[SourceLine], accounts: tuple[str, str], **refs: str
    ) -> None:
        """Post what lines come to on an account, and the other way on the contra account."""
        common = {
            "posting_date": "2021-01-07",
            "journal_ref": f"J-{name}",
            "entity": "NL",
            "currency": "USD",
        }
        amount = total(lines)
        for account, signed, own in ((accounts[0], amount, refs), (accounts[1], -amount, {})):
            row = dict.fromkeys(FIELDS, "") | common | own
            row |= {"line_id": f"{name}-{account}", "account": account, "amount": str(signed)}
            self.rows.append(row)
        self.covers[f"{name}-{accounts[0]}"] = [line.line_id for line in lines]

    def posting(self, category: str) -> Posting:
        """The first posting in question of a category."""
        found = (r for r in self.rows if r["line_id"] in self.covers)
        return next(r for r in found if r["category"] == category)


def by_line() -> Ledger:
    """A posting for each line that is of a payment; the rest by batch and category."""
    ledger = Ledger()
    for line in source_lines():
        refs = {"line_ref": line.ref, "batch_ref": "380", "category": line.category}
        ledger.post(line.line_id, [line], ("1090", CONTRA[line.category]), **refs)
    return ledger


def by_batch_and_category() -> Ledger:
    """A posting for each category of the batch."""
    ledger, lines = Ledger(), source_lines()
    for category, contra in CONTRA.items():
        some = [line for line in lines if line.category == category]
        ledger.post(f"380-{category}", some, ("1090", contra), batch_ref="380", category=category)
    return ledger


def as_one_lump() -> Ledger:
    """One posting, on the bank account, for the whole batch."""
    ledger = Ledger()
    lines = [line for line in source_lines() if line.category != "payout"]
    ledger.post("380", lines, ("1800", "1200"), batch_ref="380", category="lump")
    return ledger


Mistake = Callable[[Ledger, Posting], set[Label]]
"""Makes a mistake with a posting, and says what ought to be found."""


def _both(break_class: str, ledger: Ledger, posting: Posting) -> set[Label]:
    own = posting["line_id"]
    return {(break_class, "source", line_id) for line_id in ledger.covers[own]} | {
        (break_class, "target", own)
    }


def off_by_a_cent(ledger: Ledger, posting: Posting) -> set[Label]:
    posting["amount"] = str(Decimal(posting["amount"]) - Decimal("0.01"))
    variance = "fee_variance" if posting["category"] == "fee" else "amount_mismatch"
    return _both(variance, ledger, posting)


def left_out(ledger: Ledger, posting: Posting) -> set[Label]:
    ledger.rows.remove(posting)
    covered = ledger.covers[posting["line_id"]]
    return {("missing_in_target", "source", line_id) for line_id in covered}


def posted_twice(ledger: Ledger, posting: Posting) -> set[Label]:
    again = {"line_id": "again", "journal_ref": "J-again", "posting_date": "2021-01-08"}
    ledger.rows.append(posting | again)
    return {("duplicate_in_target", "target", "again")}


def on_a_wrong_account(ledger: Ledger, posting: Posting) -> set[Label]:
    posting["account"] = "6855"
    covered = ledger.covers[posting["line_id"]]
    return {("account_mismatch", "source", line_id) for line_id in covered}


def on_an_unknown_account(ledger: Ledger, posting: Posting) -> set[Label]:
    posting["account"] = "7777"
    covered = ledger.covers[posting["line_id"]]
    return {("unmapped_account", "source", line_id) for line_id in covered}


def in_another_currency(ledger: Ledger, posting: Posting) -> set[Label]:
    posting["currency"] = "EUR"
    return _both("currency_mismatch", ledger, posting)


def in_another_entity(ledger: Ledger, posting: Posting) -> set[Label]:
    posting["entity"] = "DE"
    return _both("entity_mismatch", ledger, posting)


def in_the_next_month(ledger: Ledger, posting: Posting) -> set[Label]:
    posting["posting_date"] = "2021-02-03"
    return _both("period_mismatch", ledger, posting)


def too_late(ledger: Ledger, posting: Posting) -> set[Label]:
    posting["posting_date"] = "2021-01-20"
    return _both("late_arrival", ledger, posting)


def of_another_batch(ledger: Ledger, posting: Posting) -> set[Label]:
    """A posting that no source line explains, beside the right one."""
    other = {"line_id": "other", "journal_ref": "J-other", "batch_ref": "381", "line_ref": ""}
    ledger.rows.append(posting | other)
    return {("missing_in_source", "target", "other")}
