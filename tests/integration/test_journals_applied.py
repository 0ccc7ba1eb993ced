"""Proposed journals, booked: the breaks they are for are gone, and nothing else has changed.

The sample company's ledger gets the lines of the CSV as further postings, read back by plain Python
as an ERP would import them. What must vanish and what must stay is written down here; that suspense
comes to nothing follows from the sample: whoever closed a day parked there what was off.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tieout.breaks import breaks
from tieout.extracts import take_in
from tieout.journals.model import RESIDUAL, Proposals
from tieout.journals.propose import proposals
from tieout.lines.ingest import refresh_lines
from tieout.matching.reconcile import reconcile
from tieout.model import DELIVERY_CLASSES, Break
from tieout.periods import Period, windows_between
from tieout.render.journals import as_csv, as_json
from tieout.sample.make import make_sample
from tieout.statement import statements
from tieout.workplace import Workplace

# Over the end of a month, so that a posting lands in the wrong one.
FIRST, LAST = date(2026, 10, 14), date(2026, 11, 16)
PERIOD = Period(FIRST, LAST)
CONFIGURATION = Path(__file__).parents[2] / "tieout.yaml"
SUSPENSE = {"8990", "6969"}
TO_LEDGER = ("settlement_to_ledger", "invoice_to_ledger", "invoice_to_receivable")

VANISH = {
    "missing_in_target",
    "duplicate_in_target",
    "amount_mismatch",
    "fee_variance",
    "tax_variance",
    "account_mismatch",
    "unmapped_account",
    "entity_mismatch",
    "currency_mismatch",
    "fx_difference",
    "period_mismatch",
}
STAY = {"missing_in_source", "duplicate_in_source", "late_arrival", "ambiguous"}

Key = tuple[str, str, str, str]


@dataclass
class Booked:
    """Before and after: breaks, what was proposed, and postings of the ledger as rows."""

    before: Counter[Key]
    after: Counter[Key]
    found: Proposals
    again: Proposals
    rows: list[dict[str, str]]
    books: list[dict[str, str]]
    unexplained: dict[str, int]
    left: Proposals
    waiting: set[str]
    """Lines with a suggested match: a person is to decide them, so no journal is for them."""
    through: set[str]
    """Lines of a chain that lead to one of these."""


@pytest.fixture(scope="module")
def booked(tmp_path_factory: pytest.TempPathFactory) -> Booked:
    base = tmp_path_factory.mktemp("booked")
    shutil.copy(CONFIGURATION, base)
    make_sample(base / "sample", seed=11, first=FIRST, last=LAST, invoices_per_day=8)
    with Workplace.open(base / "tieout.yaml", base / "home") as workplace:
        for feed in workplace.settings.feeds:
            _read(workplace, feed, PERIOD)
        listed = _reconciled(workplace)
        before = _counted(listed)
        waiting = {b.line_id for b in listed if " suggests " in b.explanation}
        through = {b.line_id for b in listed if b.counterpart in waiting}
        found = proposals(workplace, PERIOD)
        again = proposals(workplace, PERIOD)
        rows = list(csv.DictReader(io.StringIO(as_csv(found), newline="")))
        _import(base / "sample" / "erp" / f"erp_{LAST}.csv", rows)
        _read(workplace, "erp", Period(LAST, LAST))
        after = _counted(_reconciled(workplace))
        unexplained = {
            name: sum(one.rows["unexplained"].count for one in statements(workplace, name, PERIOD))
            for name in workplace.settings.reconciliations
        }
        left = proposals(workplace, PERIOD)
    books = [row for path in sorted((base / "sample/erp").glob("*.csv")) for row in _csv(path)]
    shown = (before, after, found, again, rows, books, unexplained, left)
    return Booked(*shown, waiting, through)


def _csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _read(workplace: Workplace, feed: str, period: Period) -> None:
    windows = windows_between(period.first, period.last, workplace.settings.feeds[feed].every)
    take_in(workplace, feed, windows)
    for window in refresh_lines(workplace, feed, windows, run_id="test"):
        assert window.error is None


def _reconciled(workplace: Workplace) -> list[Break]:
    found: list[Break] = []
    for name in workplace.settings.reconciliations:
        reconcile(workplace, name, run_id="test")
        found += breaks(workplace, name, PERIOD)
    return found


def _counted(found: list[Break]) -> Counter[Key]:
    return Counter((b.reconciliation, b.break_class, b.side, b.line_id) for b in found)


def _import(extract: Path, rows: list[dict[str, str]]) -> None:
    """Add journal lines to the ledger's extract, and to what its sender states of it."""
    with extract.open(newline="") as file:
        header = csv.DictReader(file).fieldnames
    assert header is not None
    stated = extract.with_name(extract.name + ".manifest.json")
    manifest = json.loads(stated.read_text())
    totals = {code: Decimal(amount) for code, amount in manifest["totals"].items()}
    with extract.open("a", newline="") as file:
        writer = csv.DictWriter(file, header, restval="", lineterminator="\n")
        for number, row in enumerate(rows, 1):
            debit, credit = Decimal(row["Debit"] or 0), Decimal(row["Credit"] or 0)
            totals[row["Currency"]] = totals.get(row["Currency"], Decimal(0)) + debit
            same = {name: row[name] for name in header if name in row}
            writer.writerow(
                same
                | {
                    "Transaction ID": row["External ID"],
                    "Line ID": str(number),
                    "Accounting Book": "Primary",
                    "Transaction Type": "Journal",
                    "Posting": "T",
                    "Status": "Posted",
                    "Account Number": row["Account"],
                    "Debit (Foreign)": row["Debit"],
                    "Credit (Foreign)": row["Credit"],
                    "Amount (Foreign)": str(debit - credit),
                    "Amount": str(debit - credit),
                }
            )
    manifest["rows"] += len(rows)
    manifest["totals"] = {code: str(amount) for code, amount in totals.items()}
    stated.write_text(json.dumps(manifest))


def _adds_up(key: Key) -> bool:
    return not key[3].endswith(":out_of_balance")


def _of(keys: Counter[Key], names: tuple[str, ...], classes: set[str]) -> Counter[Key]:
    return Counter({k: n for k, n in keys.items() if k[0] in names and k[1] in classes})


@pytest.mark.slow
def test_the_sample_has_every_class_that_a_journal_can_settle(booked: Booked) -> None:
    assert {kind for name, kind, *_ in booked.before if name in TO_LEDGER} - DELIVERY_CLASSES == (
        VANISH | STAY
    )


@pytest.mark.slow
def test_what_was_proposed_is_settled_and_the_rest_is_as_it_was(booked: Booked) -> None:
    assert booked.waiting
    not_to_settle = Counter(
        {
            k: n
            for k, n in _of(booked.before, TO_LEDGER, VANISH).items()
            if not _adds_up(k) or k[3] in booked.waiting
        }
    )
    assert {key[1] for key in not_to_settle} == {"missing_in_target"}
    assert _of(booked.after, TO_LEDGER, VANISH) == not_to_settle
    for classes in (STAY, set(DELIVERY_CLASSES)):
        assert _of(booked.after, TO_LEDGER, classes) == _of(booked.before, TO_LEDGER, classes)
    assert set(booked.unexplained.values()) == {0}


@pytest.mark.slow
def test_the_chain_is_left_with_what_is_wrong_before_the_ledger(booked: Booked) -> None:
    chain = ("usage_to_ledger",)
    billing = _of(booked.after, ("usage_to_invoice",), {k[1] for k in booked.after})
    still = Counter((*key[1:],) for key in _of(booked.after, chain, {k[1] for k in booked.after}))
    more = still - Counter((*key[1:],) for key in billing)
    assert {line for *_, line in more} <= booked.through
    assert sum(still.values()) < sum(n for k, n in booked.before.items() if k[0] in chain)


@pytest.mark.slow
def test_every_break_is_counted_once(booked: Booked) -> None:
    counted: Counter[tuple[str, str]] = Counter()
    for one in (*booked.found.proposed, *booked.found.not_proposed):
        counted[one.reconciliation, one.break_class] += one.count
    listed: Counter[tuple[str, str]] = Counter()
    for key, number in booked.before.items():
        listed[key[:2]] += number
    # What matches leave is no break: the rates of the books are not those of Stripe.
    assert counted.pop(("settlement_to_ledger", RESIDUAL)) > 5
    assert counted == listed
    assert booked.found.breaks == booked.before.total()
    assert {one.break_class for one in booked.found.proposed} == VANISH | {RESIDUAL}
    assert all(one.reason for one in booked.found.not_proposed)
    why = {
        one.reason: one.count
        for one in booked.found.not_proposed
        if one.reconciliation in TO_LEDGER and one.break_class in VANISH
    }
    off = sum(not _adds_up(key) for key in booked.before if key[0] in TO_LEDGER)
    missing = [k for k in booked.before if k[0] in TO_LEDGER and k[1] == "missing_in_target"]
    assert why == {
        "its row does not add up; ask the sender": off,
        "a match is suggested; decide that first": sum(k[3] in booked.waiting for k in missing),
    }


@pytest.mark.slow
def test_each_journal_balances_in_one_entity_currency_and_day(booked: Booked) -> None:
    journals: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in booked.rows:
        journals[row["External ID"]].append(row)
    assert len(journals) == len(booked.found.journals) > 40
    for rows in journals.values():
        assert len({(r["Subsidiary"], r["Currency"], r["Date"], r["Memo"]) for r in rows}) == 1
        assert len(rows) >= 2
        debit = sum((Decimal(r["Debit"] or 0) for r in rows), Decimal(0))
        credit = sum((Decimal(r["Credit"] or 0) for r in rows), Decimal(0))
        assert debit == credit > 0
        assert all(bool(r["Debit"]) != bool(r["Credit"]) for r in rows)


@pytest.mark.slow
def test_what_was_parked_on_suspense_is_taken_off_it(booked: Booked) -> None:
    """Whoever closed the day put every difference there; each is back where it belongs."""
    balance: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    postings = {(row["Transaction ID"], row["Line ID"]): row for row in booked.books}
    for row in postings.values():
        if row["Account Number"] in SUSPENSE:
            balance[row["Subsidiary"], row["Currency"]] += Decimal(row["Amount (Foreign)"])
    assert len(balance) == 4
    assert set(balance.values()) == {Decimal(0)}


@pytest.mark.slow
def test_asked_again_it_says_the_same_and_booked_it_has_nothing_left(booked: Booked) -> None:
    assert as_csv(booked.again) == as_csv(booked.found)
    assert as_json(booked.again) == as_json(booked.found)
    assert booked.left.journals == ()
