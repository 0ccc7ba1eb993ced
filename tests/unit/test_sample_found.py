"""The sample through the real thing: what is found is what was put in, class by class.

The matcher never sees the labels; here they are compared with what it says. `make proof` does the
same with five samples of about 100,000 rows.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tests.proof.sample import Proof, prove, wrong
from tests.reference_line import rounding_name
from tests.unit.sample_books import read_books
from tieout.periods import Period

OCTOBER = Period(date(2026, 10, 1), date(2026, 10, 23))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the sample lies."""
    return tmp_path_factory.mktemp("found")


@pytest.fixture(scope="module")
def proof(folder: Path) -> Proof:
    """A small sample taken in, reconciled and scored."""
    return prove(folder, 5, OCTOBER, invoices_per_day=16)


@pytest.mark.slow
def test_every_class_is_found_and_nothing_else(proof: Proof) -> None:
    assert wrong(proof.scores) == []
    assert len(proof.scores) > 48
    of_events = {s.break_class for s in proof.scores if s.reconciliation.startswith("events_to")}
    assert {"missing_in_source", "missing_in_target", "amount_mismatch"} <= of_events
    assert {"sequence_gap", "ambiguous", "fx_difference"} <= {s.break_class for s in proof.scores}


@pytest.mark.slow
def test_statements_and_waterfalls_leave_nothing_unexplained(proof: Proof) -> None:
    assert proof.unexplained == []


@pytest.mark.slow
def test_sums_that_are_not_ambiguous_are_matched_by_the_search(proof: Proof) -> None:
    assert proof.matched_by["settlement_to_ledger", "by_search"] >= 4


@pytest.mark.slow
def test_each_rounding_is_named_by_the_rule_that_gives_it(proof: Proof, folder: Path) -> None:
    books = read_books(folder / "sample")
    used: dict[tuple[str, ...], list[Decimal]] = defaultdict(list)
    for record in books.usage:
        if books.label("usage_to_invoice", "source", record["Id"]) != "late_usage":
            key = (record["SubAccountId"], record["ServiceName"], record["BillingPeriodStart"][:10])
            used[key].append(Decimal(record["BilledCost"]))
    named = {}
    for item in books.items:
        line_id = item["Invoice Item ID"]
        if item["Meter"] and books.label("usage_to_invoice", "target", line_id) is None:
            exact = used[item["Subscription Number"], item["Meter"], item["Service Start Date"]]
            amount = Decimal(item["Charge Amount"])
            if sum(exact) != amount:
                named[line_id] = rounding_name(item["Currency"], exact, amount)
    assert named == {i: label for (of, i), label in proof.residuals.items() if of[:5] == "usage"}
    assert len(set(named.values())) == 4


@pytest.mark.slow
def test_what_the_rates_leave_is_called_so(proof: Proof) -> None:
    left = [label for (of, _), label in proof.residuals.items() if of == "settlement_to_ledger"]
    assert set(left) == {"fx rate difference"}
    assert len(left) > 12


@pytest.mark.slow
def test_rows_sent_twice_are_removed_and_spoiled_ones_kept_apart(proof: Proof) -> None:
    assert proof.rows["duplicates"] == proof.report.sent_twice > 0
    assert proof.rows["quarantined"] == proof.report.refused > 0
    assert proof.rows["received"] == proof.report.total_rows


@pytest.mark.slow
def test_every_event_is_a_line_once_and_what_cannot_be_used_is_kept_apart(
    proof: Proof, folder: Path
) -> None:
    told = [
        json.loads(line)["id"]
        for path in (folder / "sample").glob("*_events/*.ndjson")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    bad = {one for one in told if one.startswith("evt_bad_")}
    assert len(told) == proof.report.events > len(set(told)) + 20
    assert proof.events["received"] == len(set(told))
    assert proof.events["quarantined"] == len(bad) > 4
    assert proof.events["accepted"] == len(set(told)) - len(bad)
