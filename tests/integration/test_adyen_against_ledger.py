"""Adyen's batches against a ledger written for them: exact, then with one error at a time.

The expected figures are summed here from the file with Python's csv module, and held to what is
published of it (220 settled, 6 refunds, a payout of 55,308.07).
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tieout.breaks import breaks
from tieout.extracts import take_in
from tieout.lines.ingest import refresh_lines
from tieout.matching.reconcile import reconcile
from tieout.model import Break, Statement
from tieout.periods import Period
from tieout.statement import statements
from tieout.workplace import Workplace

REAL = Path(__file__).resolve().parents[3] / "shared" / "real" / "adyen"
BATCH_380 = REAL / "settlement_detail_report_batch_380.csv"
NAME = "settlement_to_ledger"
JANUARY = Period(date(2021, 1, 1), date(2021, 1, 31))
CONFIGURATION = """
company: Adyen against a ledger
calendar: {start: 2021-01-01}
entities: {NL: {name: Company NL, currency: USD, known_as: [YOURCOMPANY_ACCOUNT]}}
accounts: {"*": {"1090": clearing, "6855": fee, "1800": bank}}
feeds:
  adyen: {format: adyen_settlement_detail, location: "adyen/adyen_{date}.csv"}
  ledger: {format: ledger_csv, location: "ledger/ledger_{date}.csv"}
reconciliations:
  settlement_to_ledger:
    source: {feeds: [adyen]}
    target: {feeds: [ledger], where: {account_class: [clearing]}}
    timing_days: [-1, 5]
    passes:
      - name: by_line
        shape: one_to_one
        key: {source: [payment_ref, component], target: [line_ref, component]}
      - name: by_batch
        shape: many_to_one
        key: {source: [settlement_batch, component], target: [batch_ref, component]}
"""

pytestmark = pytest.mark.skipif(
    not BATCH_380.exists(), reason=f"the real extracts are not beside the project ({REAL})"
)

Posting = dict[str, str]


def expected() -> dict[str, Decimal]:
    """What the batch comes to by category, from the file itself."""
    sums = dict.fromkeys(("charge", "refund", "fee", "payout"), Decimal(0))
    with BATCH_380.open(newline="") as file:
        for row in csv.DictReader(file):
            net = Decimal(row["Net Credit (NC)"] or 0) - Decimal(row["Net Debit (NC)"] or 0)
            gross = Decimal(row["Gross Credit (GC)"] or 0) - Decimal(row["Gross Debit (GC)"] or 0)
            kind = {"Settled": "charge", "Refunded": "refund", "MerchantPayout": "payout"}
            category = kind.get(row["Type"], "fee")
            if category in ("charge", "refund"):
                sums[category] += gross
                sums["fee"] += net - gross
            else:
                sums[category] += net
    return sums


def postings() -> list[Posting]:
    """One clearing posting a category, and its other side."""
    contra = {"charge": "1200", "refund": "1200", "fee": "6855", "payout": "1800"}
    rows = []
    for category, amount in expected().items():
        for account, signed in (("1090", amount), (contra[category], -amount)):
            rows.append(
                {
                    "line_id": f"380-{category}-{account}",
                    "posting_date": "2021-01-07",
                    "journal_ref": f"J380-{category}",
                    "batch_ref": "380",
                    "category": category,
                    "entity": "NL",
                    "account": account,
                    "currency": "USD",
                    "amount": str(signed),
                }
            )
    return rows


def clearing(rows: list[Posting], category: str) -> Posting:
    """The clearing posting of a category."""
    return next(r for r in rows if r["category"] == category and r["account"] == "1090")


Worked = tuple[list[Statement], list[Break]]


def work(folder: Path, rows: list[Posting]) -> Worked:
    """Reconcile the batch with the ledger rows, in a home of its own."""
    (folder / "adyen").mkdir(parents=True)
    (folder / "ledger").mkdir()
    shutil.copy(BATCH_380, folder / "adyen" / "adyen_2021-01-07.csv")
    for day, some in (("2021-01-07", rows), ("2021-01-20", [])):
        with (folder / "ledger" / f"ledger_{day}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(postings()[0]))
            writer.writeheader()
            writer.writerows(some)
    # Both sides go on delivering, so that nothing of the batch can still be answered.
    header = BATCH_380.read_text().split("\n", 1)[0]
    (folder / "adyen" / "adyen_2021-01-20.csv").write_text(header + "\n")
    (folder / "tieout.yaml").write_text(CONFIGURATION)
    with Workplace.open(folder / "tieout.yaml", folder / "home") as workplace:
        windows = [f"2021-01-{day:02d}" for day in range(1, 32)]
        for feed in ("adyen", "ledger"):
            found = {e.window for e in take_in(workplace, feed, windows)}
            reports = refresh_lines(workplace, feed, sorted(found), run_id="test")
            assert {r.status for r in reports} == {"published"}
        reconcile(workplace, NAME, run_id="test")
        return statements(workplace, NAME, JANUARY), breaks(workplace, NAME, JANUARY)


def test_the_file_is_what_is_said_of_it() -> None:
    sums = expected()
    assert sums["charge"] + sums["refund"] == Decimal("55735.80")
    assert sums["fee"] == Decimal("-389.63") - Decimal("38.10")
    assert sums["payout"] == Decimal("-55308.07")
    assert sum(sums.values()) == 0


def test_batch_380_ties_out_to_zero(tmp_path: Path) -> None:
    found, differences = work(tmp_path, postings())
    assert differences == []
    source = next(s for s in found if s.side == "source")
    target = next(s for s in found if s.side == "target")
    # Every row with a gross amount is a charge or refund line; those with fees a fee line too.
    assert (
        source.rows["matched_in_transit"].count + source.rows["matched"].count
        == source.rows["received"].count
    )
    assert source.rows["accepted"].amount == 0
    assert target.rows["matched"].count == 4
    assert target.rows["accepted"].amount == 0
    for statement in found:
        assert statement.holds
        assert statement.completeness == {"count": 100, "amount": 100}


def fee_off_by_a_cent(rows: list[Posting]) -> None:
    posting = clearing(rows, "fee")
    posting["amount"] = str(Decimal(posting["amount"]) - Decimal("0.01"))


def refund_missing(rows: list[Posting]) -> None:
    rows.remove(clearing(rows, "refund"))


def payout_twice(rows: list[Posting]) -> None:
    rows.append(clearing(rows, "payout") | {"line_id": "again", "journal_ref": "J-again"})


def charge_on_a_fee_account(rows: list[Posting]) -> None:
    clearing(rows, "charge")["account"] = "6855"


def charge_on_an_unknown_account(rows: list[Posting]) -> None:
    clearing(rows, "charge")["account"] = "7777"


@pytest.mark.parametrize(
    ("spoil", "source_class", "source_count", "target_class", "figure"),
    [
        (fee_off_by_a_cent, "fee_variance", None, "fee_variance", "0.01 USD"),
        (refund_missing, "missing_in_target", 6, None, "USD"),
        (payout_twice, None, 0, "duplicate_in_target", "-55,308.07 USD"),
        (charge_on_a_fee_account, "account_mismatch", 220, None, "account 6855"),
        (charge_on_an_unknown_account, "unmapped_account", 220, None, "account 7777"),
    ],
)
def test_an_error_is_found_and_classed(
    tmp_path: Path,
    spoil: Callable[[list[Posting]], None],
    source_class: str | None,
    source_count: int | None,
    target_class: str | None,
    figure: str,
) -> None:
    rows = postings()
    spoil(rows)
    found, differences = work(tmp_path, rows)
    by_side = {side: [b for b in differences if b.side == side] for side in ("source", "target")}
    assert {b.break_class for b in by_side["source"]} == ({source_class} if source_class else set())
    assert {b.break_class for b in by_side["target"]} == ({target_class} if target_class else set())
    if source_count is not None:
        assert len(by_side["source"]) == source_count
    assert len(by_side["target"]) == (1 if target_class else 0)
    assert all(figure in b.explanation for b in differences)
    assert all(s.holds for s in found)
