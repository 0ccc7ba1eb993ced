"""Adyen's batch 380 against ledgers in three styles: exact, then with mistakes put in.

The expected figures and ids are made in tests/adyen_batch.py from the file itself, and held to what
is published of it (220 settled, 6 refunds, a payout of 55,308.07).
"""

from __future__ import annotations

import csv
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tests import adyen_batch
from tests.adyen_batch import BATCH_380, CLASSES, FIELDS, Label, Ledger, Mistake
from tieout.breaks import breaks
from tieout.extracts import take_in
from tieout.lines.ingest import refresh_lines
from tieout.matching.reconcile import reconcile
from tieout.model import Break, Statement
from tieout.periods import Period, windows_between
from tieout.statement import statements
from tieout.waterfall import Waterfall, of_period
from tieout.workplace import Workplace

NAME = "adyen_to_ledger"
SPAN = Period(date(2021, 1, 1), date(2021, 2, 28))
CONFIGURATION = """
company: Adyen against a ledger
calendar: {{start: 2021-01-01}}
entities:
  NL: {{name: Company NL, currency: USD, known_as: [YOURCOMPANY_ACCOUNT]}}
  DE: {{name: Company DE, currency: EUR}}
accounts: {{"*": {accounts}}}
feeds:
  adyen: {{format: adyen_settlement_detail, location: "adyen/adyen_{{date}}.csv"}}
  ledger: {{format: ledger_csv, location: "ledger/ledger_{{date}}.csv"}}
reconciliations:
  adyen_to_ledger:
    timing_days: [-1, 5]
{sides}
"""
ON_CLEARING = """
    source: {feeds: [adyen]}
    target: {feeds: [ledger], where: {account_class: [clearing]}}
    passes:
      - name: by_line
        shape: one_to_one
        key: {source: [payment_ref, component], target: [line_ref, component]}
      - name: by_batch
        shape: many_to_one
        key: {source: [settlement_batch, component], target: [batch_ref, component]}
      # Where one line of a batch is wrong, what is left of the batch is no group of that sum.
      - name: by_search
        shape: subset_sum
        key: {source: [settlement_batch], target: [batch_ref]}
"""
ON_BANK = """
    source: {feeds: [adyen], where: {category: [charge, refund, fee]}}
    target: {feeds: [ledger], where: {account_class: [bank]}}
    passes:
      - name: whole
        shape: many_to_one
        key: {source: [settlement_batch], target: [batch_ref]}
"""

pytestmark = pytest.mark.skipif(
    not BATCH_380.exists(), reason=f"the real extracts are not beside the project ({BATCH_380})"
)


@dataclass(frozen=True)
class Style:
    """How a ledger posts, and the reconciliation for it."""

    ledger: Callable[[], Ledger]
    sides: str
    account_class: str


STYLES = {
    "line": Style(adyen_batch.by_line, ON_CLEARING, "clearing"),
    "category": Style(adyen_batch.by_batch_and_category, ON_CLEARING, "clearing"),
    "lump": Style(adyen_batch.as_one_lump, ON_BANK, "bank"),
}
MISTAKES: list[tuple[Mistake, str]] = [
    (adyen_batch.off_by_a_cent, "fee"),
    (adyen_batch.off_by_a_cent, "charge"),
    (adyen_batch.left_out, "refund"),
    (adyen_batch.posted_twice, "payout"),
    (adyen_batch.on_a_wrong_account, "charge"),
    (adyen_batch.on_an_unknown_account, "charge"),
    (adyen_batch.in_another_currency, "refund"),
    (adyen_batch.in_another_entity, "payout"),
    (adyen_batch.in_the_next_month, "fee"),
    (adyen_batch.too_late, "charge"),
    (adyen_batch.of_another_batch, "payout"),
]
ALL_MISTAKES = [
    (style, mistake, category) for style in ("line", "category") for mistake, category in MISTAKES
] + [("lump", mistake, "lump") for mistake in {mistake: None for mistake, _ in MISTAKES}]


@dataclass(frozen=True)
class Worked:
    """What came of a ledger."""

    statements: list[Statement]
    breaks: list[Break]
    waterfalls: list[Waterfall]

    @property
    def found(self) -> Counter[Label]:
        """The breaks, each as a label would say it."""
        return Counter((b.break_class, b.side, b.line_id) for b in self.breaks)


def work(folder: Path, style: Style, ledger: Ledger) -> Worked:
    """Reconcile the batch with a ledger, in a home of its own."""
    _write(folder, ledger)
    shown = "{" + ", ".join(f'"{a}": {c}' for a, c in CLASSES.items()) + "}"
    configuration = CONFIGURATION.format(accounts=shown, sides=style.sides.strip("\n"))
    (folder / "tieout.yaml").write_text(configuration)
    with Workplace.open(folder / "tieout.yaml", folder / "home") as workplace:
        windows = windows_between(SPAN.first, SPAN.last, "day")
        for feed in ("adyen", "ledger"):
            found = {e.window for e in take_in(workplace, feed, windows)}
            reports = refresh_lines(workplace, feed, sorted(found), run_id="test")
            assert {r.status for r in reports} == {"published"}
        reconcile(workplace, NAME, run_id="test")
        return Worked(
            statements(workplace, NAME, SPAN),
            breaks(workplace, NAME, SPAN),
            of_period(workplace, NAME, SPAN),
        )


def _write(folder: Path, ledger: Ledger) -> None:
    """The extracts of both sides; they go on until nothing can still be answered."""
    (folder / "adyen").mkdir(parents=True)
    (folder / "ledger").mkdir()
    shutil.copy(BATCH_380, folder / "adyen" / "adyen_2021-01-07.csv")
    header = BATCH_380.read_text().split("\n", 1)[0]
    (folder / "adyen" / "adyen_2021-02-20.csv").write_text(header + "\n")
    days = {"2021-02-20", *(row["posting_date"] for row in ledger.rows)}
    for day in days:
        with (folder / "ledger" / f"ledger_{day}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, FIELDS)
            writer.writeheader()
            writer.writerows(row for row in ledger.rows if row["posting_date"] == day)


def assert_explained(worked: Worked, style: Style, ledger: Ledger) -> None:
    """Statements hold, and waterfalls lead from the file's sum to the ledger's, to the cent."""
    assert all(s.holds for s in worked.statements)
    targets: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in ledger.rows:
        if CLASSES.get(row["account"]) == style.account_class:
            targets[row["entity"], row["currency"]] += Decimal(row["amount"])
    by_place = {(one.entity, one.currency): one for one in worked.waterfalls}
    assert by_place.keys() == targets.keys() | {("NL", "USD")}
    counted = {line_id for lines in ledger.covers.values() for line_id in lines}
    source = adyen_batch.total(n for n in adyen_batch.source_lines() if n.line_id in counted)
    for place, one in by_place.items():
        assert one.unexplained == 0
        assert one.total("target").amount == targets[place]
        assert one.total("source").amount == (source if place == ("NL", "USD") else 0)


def test_the_file_is_what_is_said_of_it() -> None:
    lines = adyen_batch.source_lines()
    sums = {c: adyen_batch.total(n for n in lines if n.category == c) for c in adyen_batch.CONTRA}
    assert sums["charge"] + sums["refund"] == Decimal("55735.80")
    assert sums["fee"] == Decimal("-389.63") - Decimal("38.10")
    assert sums["payout"] == Decimal("-55308.07")
    assert adyen_batch.total(lines) == 0
    assert Counter(n.category for n in lines)["charge"] == 220
    assert adyen_batch.as_one_lump().posting("lump")["amount"] == "55308.07"


@pytest.mark.parametrize("name", STYLES)
def test_batch_380_ties_out_to_zero(tmp_path: Path, name: str) -> None:
    style = STYLES[name]
    ledger = style.ledger()
    worked = work(tmp_path, style, ledger)
    assert worked.breaks == []
    assert_explained(worked, style, ledger)
    source, target = (
        next(s for s in worked.statements if s.side == side) for side in ("source", "target")
    )
    covered = [line_id for lines in ledger.covers.values() for line_id in lines]
    assert source.rows["matched"].count == len(covered)
    assert target.rows["matched"].count == len(ledger.covers)
    for statement in (source, target):
        assert statement.completeness == {"count": 100, "amount": 100}
    (waterfall,) = worked.waterfalls
    assert {step.kind for step in waterfall.steps} == {"source", "target"}


@pytest.mark.parametrize(("name", "mistake", "category"), ALL_MISTAKES)
def test_a_mistake_is_found_classed_and_nothing_else(
    tmp_path: Path, name: str, mistake: Mistake, category: str
) -> None:
    style = STYLES[name]
    ledger = style.ledger()
    expected = mistake(ledger, ledger.posting(category))
    worked = work(tmp_path, style, ledger)
    assert worked.found == Counter(expected)
    assert_explained(worked, style, ledger)


def test_all_mistakes_at_once_are_told_apart(tmp_path: Path) -> None:
    """Line by line: each mistake with a posting of its own."""
    style = STYLES["line"]
    ledger = style.ledger()
    expected: set[Label] = set()
    spare = [r for r in ledger.rows if r["line_id"] in ledger.covers and r["line_ref"]]
    for mistake, category in MISTAKES:
        wanted = "charge" if category == "payout" else category
        posting = next(r for r in spare if r["category"] == wanted)
        spare = [r for r in spare if r["line_ref"] != posting["line_ref"]]
        expected |= mistake(ledger, posting)
    worked = work(tmp_path, style, ledger)
    assert worked.found == Counter(expected)
    assert_explained(worked, style, ledger)


@pytest.mark.parametrize(
    ("mistake", "category", "figure"),
    [
        (adyen_batch.off_by_a_cent, "fee", "0.01 USD"),
        (adyen_batch.posted_twice, "payout", "-55,308.07 USD"),
        (adyen_batch.on_a_wrong_account, "charge", "account 6855"),
        (adyen_batch.on_an_unknown_account, "charge", "account 7777"),
    ],
)
def test_the_sentence_names_the_figure(
    tmp_path: Path, mistake: Mistake, category: str, figure: str
) -> None:
    style = STYLES["category"]
    ledger = style.ledger()
    mistake(ledger, ledger.posting(category))
    assert all(figure in b.explanation for b in work(tmp_path, style, ledger).breaks)
