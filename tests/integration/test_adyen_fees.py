"""Adyen's batch 380 against a price list: all of its fees are what eight rules expect.

Nobody published the list; it is what the file's own figures follow. Interchange++ on cards (0.52 %,
and 0.6 % on the Belgian and French ones), a fixed sum, a percent, or both on everything else. The
expected figures are worked out here with csv and Decimal.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
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
NAME = "fees_to_schedule"
JANUARY = Period(date(2021, 1, 1), date(2021, 1, 31))
CONFIGURATION = f"""
company: Adyen against its prices
calendar: {{start: 2021-01-01}}
entities: {{NL: {{name: Company NL, currency: EUR, known_as: [YOURCOMPANY_ACCOUNT]}}}}
feeds:
  adyen: {{format: adyen_settlement_detail, location: "{BATCH_380.parent}/*batch_380.csv"}}
fees:
  adyen:
    - name: cards
      methods: [visa, visadankort, mc, maestro]
      percent: 0.52
      pass_through: interchange_plus_plus
    - name: other_cards
      methods: [bcmc_mobile, cartebancaire]
      percent: 0.6
      pass_through: interchange_plus_plus
    - {{name: ideal, methods: [ideal], currencies: [CUR], fixed: 0.25}}
    - {{name: sofort, methods: [directEbanking], percent: 1}}
    - {{name: giropay, methods: [giropay], currencies: [CUR], percent: 1.3, fixed: 0.20}}
    - name: transfers
      methods: [bankTransfer_DE, bankTransfer_BE, bankTransfer_NL, bankTransfer_IBAN]
      currencies: [CUR]
      fixed: 0.20
    - name: refunds
      categories: [refund]
      methods: [ideal, directEbanking]
      currencies: [CUR]
      fixed: 0.20
    - {{name: monthly, categories: [fee], currencies: [CUR], fixed: 38.10}}
reconciliations:
  fees_to_schedule:
    source: {{feeds: [adyen], where: {{component: [fee]}}}}
    target: {{feeds: [adyen], expects: adyen}}
    timing_days: [0, 0]
    passes:
      - {{name: by_row, shape: one_to_one, key: {{source: [row_ref], target: [row_ref]}}}}
"""

pytestmark = pytest.mark.skipif(
    not BATCH_380.exists(), reason=f"the real extracts are not beside the project ({REAL})"
)


def rows() -> list[dict[str, str]]:
    with BATCH_380.open(newline="") as file:
        return list(csv.DictReader(file))


def charged(row: dict[str, str]) -> Decimal:
    """What Adyen kept of a row."""
    names = ("Commission (NC)", "Markup (NC)", "Scheme Fees (NC)", "Interchange (NC)")
    if row["Type"] == "Fee":
        return Decimal(row["Net Debit (NC)"])
    return sum((Decimal(row[name] or 0) for name in names), Decimal(0))


def settled(method: str) -> Iterator[tuple[Decimal, Decimal]]:
    """Gross and the part that is Adyen's own, of the payments by a method."""
    for row in rows():
        if row["Type"] == "Settled" and row["Payment Method"] == method:
            own = Decimal(row["Markup (NC)"] or 0) + Decimal(row["Commission (NC)"] or 0)
            yield Decimal(row["Gross Credit (GC)"]), own


def work(folder: Path, was: str = "", becomes: str = "") -> tuple[list[Statement], list[Break]]:
    """Hold the batch against the price list, with one thing changed in it."""
    currency = rows()[0]["Net Currency"]
    text = CONFIGURATION.replace(was, becomes) if was else CONFIGURATION
    (folder / "tieout.yaml").write_text(text.replace("CUR", currency))
    with Workplace.open(folder / "tieout.yaml", folder / "home") as workplace:
        windows = [f"2021-01-{day:02d}" for day in range(1, 32)]
        found = {e.window for e in take_in(workplace, "adyen", windows)}
        reports = refresh_lines(workplace, "adyen", sorted(found), run_id="test")
        assert {r.status for r in reports} == {"published"}
        reconcile(workplace, NAME, run_id="test")
        return statements(workplace, NAME, JANUARY), breaks(workplace, NAME, JANUARY)


def test_every_fee_of_the_batch_is_what_the_price_list_says(tmp_path: Path) -> None:
    made, differences = work(tmp_path)
    assert differences == []
    kept = [charged(row) for row in rows() if charged(row)]
    assert len(kept) == 223
    assert sum(kept) == Decimal("389.63") + Decimal("38.10")
    assert {one.side for one in made} == {"source", "target"}
    for one in made:
        assert one.rows["matched"].count == one.rows["received"].count == len(kept)
        assert one.rows["matched"].amount == -sum(kept)
        assert one.rows["unexplained"].count == 0


def test_another_price_shows_on_every_payment_that_it_changes(tmp_path: Path) -> None:
    _, differences = work(tmp_path, "percent: 1}", "percent: 1.05}")
    cent = Decimal("0.01")
    off = [
        (own, due)
        for gross, own in settled("directEbanking")
        if (due := (gross * Decimal("0.0105")).quantize(cent, ROUND_HALF_UP)) != own
    ]
    assert len(off) > 10
    for side, wanted in (("source", [own for own, _ in off]), ("target", [due for _, due in off])):
        mine = [b for b in differences if b.side == side]
        assert {b.break_class for b in mine} == {"fee_variance"}
        assert sorted(-b.amount for b in mine) == sorted(wanted)
        assert all("expected by sofort (1.05 %) on " in b.explanation for b in mine)


def test_a_fee_that_no_rule_expects_is_told(tmp_path: Path) -> None:
    _, differences = work(tmp_path, "methods: [giropay]", "methods: [eps]")
    assert [(b.side, b.break_class) for b in differences] == [("source", "missing_in_target")] * 3
    assert sorted(-b.amount for b in differences) == sorted(own for _, own in settled("giropay"))
    assert all("no rule of the fee schedule" in b.explanation for b in differences)
