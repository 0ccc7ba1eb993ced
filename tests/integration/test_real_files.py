"""Every real extract goes in, and what is known to be true of it comes out.

The figures are those published with the files, or are counted here from the file with csv and
Decimal.
"""

from __future__ import annotations

import csv
import io
import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from tests.inbox import Inbox, inbox
from tieout.extracts import inspect

REAL = Path(__file__).resolve().parents[3] / "shared" / "real"
ADYEN_380 = REAL / "adyen" / "settlement_detail_report_batch_380.csv"
ADYEN_238 = REAL / "adyen" / "settlement_detail_report_batch_238.csv"
PAYPAL = REAL / "paypal" / "activity_en.csv"
STRIPE = REAL / "stripe" / "settlement_report.csv"
FOCUS = REAL / "focus" / "focus_sample.csv"

pytestmark = pytest.mark.skipif(
    not REAL.is_dir(), reason=f"the real extracts are not beside the project ({REAL})"
)

FEEDS = {
    "adyen": '{format: adyen_settlement_detail, location: "adyen/*.csv"}',
    "paypal": '{format: paypal_activity, location: "paypal/*.csv", entity: NL}',
    "stripe": '{format: stripe_balance, location: "stripe/*.csv", entity: NL}',
    "focus": '{format: focus_1_0, location: "focus/*.csv", entity: NL}',
}


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Inbox]:
    with inbox(tmp_path, FEEDS, start="2015-12-01") as opened:
        yield opened


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def put(box: Inbox, feed: str, path: Path) -> None:
    box.put(f"{feed}/{path.name}", path.read_bytes())


def sums(lines: pl.DataFrame, *by: str) -> dict[tuple[object, ...], tuple[int, Decimal]]:
    grouped = lines.group_by(by).agg(pl.len(), pl.col("amount").sum())
    return {row[: len(by)]: (row[-2], row[-1]) for row in grouped.iter_rows()}


def test_adyen_380_gives_the_figures_published_of_it(box: Inbox) -> None:
    put(box, "adyen", ADYEN_380)
    report = box.read("adyen")[0]
    assert report.rows == {"received": 228, "accepted": 228, "quarantined": 0, "duplicates": 0}
    assert report.deliveries == []
    assert report.notes == ()
    lines = box.lines("adyen")
    types = lines.filter(pl.col("category") != "fee").group_by("category").len().rows()
    assert dict(types) == {"charge": 220, "refund": 6, "payout": 1}
    assert lines["amount"].sum() == 0
    gross = lines.filter(pl.col("category").is_in(["charge", "refund"]))["amount"].sum()
    assert gross == Decimal("55735.80")
    fees = lines.filter(pl.col("category") == "fee")
    assert fees.filter(pl.col("line_id").str.ends_with(":fee"))["amount"].sum() == -Decimal(
        "389.63"
    )
    assert fees["amount"].sum() == -Decimal("389.63") - Decimal("38.10")
    payout = lines.filter(pl.col("category") == "payout")
    assert payout["amount"].to_list() == [-Decimal("55308.07")]
    assert set(lines["settlement_batch"]) == {"380"}


def test_adyen_times_are_cet_and_count_in_utc(box: Inbox) -> None:
    put(box, "adyen", ADYEN_380)
    box.read("adyen")
    first = box.lines("adyen").filter(pl.col("payment_ref") == "1829098024817852")
    assert set(first["occurred_on"]) == {date(2021, 1, 4)}  # 2021-01-05 00:21:32 CET
    assert set(first["period"]) == {date(2021, 1, 6)}  # booked 23:50 CET on that day


def test_adyen_238_only_carries_a_balance_forward(box: Inbox) -> None:
    put(box, "adyen", ADYEN_238)
    report = box.read("adyen")[0]
    assert report.deliveries == []
    lines = box.lines("adyen")
    assert sorted(lines["amount"]) == [
        -Decimal("454331.90"),
        -Decimal("0.09"),
        Decimal("454331.99"),
    ]
    assert lines["line_id"].n_unique() == 3
    assert lines["amount"].sum() == 0


def test_the_numbers_between_the_two_adyen_batches_are_missing(box: Inbox) -> None:
    put(box, "adyen", ADYEN_380)
    put(box, "adyen", ADYEN_238)
    box.read("adyen")
    assert box.failed("adyen") == [("sequence", "sequence_gap")]


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_adyens_columns_does_not_matter(tmp_path: Path, seed: int) -> None:
    with inbox(tmp_path / "one", FEEDS, start="2015-12-01") as box:
        put(box, "adyen", ADYEN_380)
        box.read("adyen")
        expected = box.lines("adyen").drop("extract_sha256")
    rows = rows_of(ADYEN_380)
    header = list(rows[0])
    random.Random(seed).shuffle(header)
    out = io.StringIO()
    writer = csv.DictWriter(out, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with inbox(tmp_path / "two", FEEDS, start="2015-12-01") as box:
        box.put("adyen/shuffled.csv", out.getvalue())
        box.read("adyen")
        assert box.lines("adyen").drop("extract_sha256").equals(expected)


def test_paypals_running_balance_holds_on_every_row(box: Inbox) -> None:
    put(box, "paypal", PAYPAL)
    report = box.read("paypal")[0]
    assert report.rows["accepted"] == 76
    assert box.failed("paypal") == []
    chains = box.table("deliveries", "paypal").filter(pl.col("check") == "running_balance")
    proven = {r["currency"]: (r["found_count"], r["stated_amount"]) for r in chains.to_dicts()}
    last: dict[str, Decimal] = {}
    count: dict[str, int] = defaultdict(int)
    for row in rows_of(PAYPAL):
        last[row["Currency"]] = Decimal(row["Balance"].replace(",", ""))
        count[row["Currency"]] += 1
    assert proven == {c: (count[c], last[c]) for c in last}
    assert sum(count.values()) == 76
    assert set(last) == {"USD", "EUR", "AUD"}


def test_a_balance_off_by_a_cent_in_any_paypal_row_is_found(tmp_path: Path) -> None:
    rows = rows_of(PAYPAL)
    chance = random.Random(20261005)
    for number in chance.sample(range(len(rows)), 8):
        changed = [dict(row) for row in rows]
        cents = Decimal(changed[number]["Balance"].replace(",", "")) + Decimal("0.01")
        changed[number]["Balance"] = f"{cents:f}"
        out = io.StringIO()
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(changed)
        path = tmp_path / "changed.csv"
        path.write_text(out.getvalue())
        seen = inspect(path)
        faults = [c for c in seen.checks if str(c["ref"]).startswith("row")]
        first_or_last = [r for r in rows if r["Currency"] == changed[number]["Currency"]]
        edges = (first_or_last[0] is rows[number]) + (first_or_last[-1] is rows[number])
        # A wrong balance breaks the step to it and the step from it; at an edge there is but one.
        assert len(faults) == 2 - edges, number
        assert all(c["break_class"] == "control_total_mismatch" for c in faults)


def test_paypal_gross_and_fee_foot_to_net_in_local_time(box: Inbox) -> None:
    put(box, "paypal", PAYPAL)
    box.read("paypal")
    lines = box.lines("paypal")
    for row in rows_of(PAYPAL):
        mine = lines.filter(pl.col("payment_ref") == row["Transaction ID"])
        assert mine["amount"].sum() == Decimal(row["Net"].replace(",", ""))
    late = lines.filter(pl.col("payment_ref") == "TID18")  # 28/08/2016 23:18:09 PDT
    assert set(late["period"]) == {date(2016, 8, 29)}


def test_the_stripe_file_is_reported_as_what_it_is(box: Inbox) -> None:
    """Its payout foots on net (23.05); its gross does not; one row was paid out by nobody."""
    put(box, "stripe", STRIPE)
    report = box.read("stripe")[0]
    assert report.rows["accepted"] == 7
    lines = box.lines("stripe")
    assert set(lines["currency"]) == {"USD"}
    told = {d["break_class"]: d for d in report.deliveries}
    assert sorted(told) == ["batch_out_of_balance", "line_out_of_balance"]
    row = told["line_out_of_balance"]
    assert row["ref"] == "txn_005"
    assert (row["stated_amount"], row["found_amount"]) == ("-23.05", "-24.00")
    assert "difference 0.95" in row["explanation"]
    left = told["batch_out_of_balance"]
    assert left["found_amount"] == "3.35"
    assert "txn_1Tj9xrJ" in left["explanation"]
    payout = lines.filter(pl.col("settlement_batch") == "po_test123")
    assert payout["amount"].sum() == 0
    assert lines["amount"].sum() == Decimal("3.35")
    odd = lines.filter(pl.col("category") == "out_of_balance")
    assert odd.select("line_id", "amount").rows() == [("txn_005:out_of_balance", Decimal("0.95"))]
    assert lines.filter(pl.col("category") == "chargeback_reversal")["settled_on"].to_list() == [
        date(2026, 6, 18)
    ]


def test_focus_sums_are_exact_to_the_last_digit(box: Inbox) -> None:
    put(box, "focus", FOCUS)
    report = box.read("focus")[0]
    assert report.rows == {"received": 1000, "accepted": 1000, "quarantined": 0, "duplicates": 0}
    lines = box.lines("focus")
    assert lines["amount"].sum() == Decimal("20.52022672899")
    assert report.totals["USD"]["accepted"] == {"count": 1000, "amount": "20.52022672899"}
    by_account: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows_of(FOCUS):
        by_account[row["SubAccountId"]] += Decimal(row["BilledCost"])
    found = {k[0]: amount for k, (_, amount) in sums(lines, "subscription_ref").items()}
    assert found == dict(by_account)
    smallest = lines.filter(pl.col("line_id") == "11472").row(0, named=True)
    assert smallest["amount"] == Decimal("0.0000008")
    assert smallest["unit_price"] == Decimal("0.0000004")
    assert smallest["quantity"] == 2
    assert smallest["cycle_start"] == date(2024, 9, 1)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (ADYEN_380, "adyen_settlement_detail"),
        (ADYEN_238, "adyen_settlement_detail"),
        (PAYPAL, "paypal_activity"),
        (STRIPE, "stripe_balance"),
        (FOCUS, "focus_1_0"),
    ],
)
def test_a_first_look_knows_every_file(path: Path, name: str) -> None:
    seen = inspect(path)
    assert seen.formats == (name,)
    assert seen.error is None
    assert seen.rows["received"] == len(rows_of(path))
    assert seen.holds == (path != STRIPE)
