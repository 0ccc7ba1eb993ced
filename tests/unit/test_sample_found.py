"""The sample through the real thing: what is found is what was put in, class by class.

The matcher never sees the labels; here they are compared with what it says. `make proof` does the
same with five samples of about 100,000 rows.
"""

from __future__ import annotations

from datetime import date

import pytest

from tests.proof.sample import Proof, prove, wrong
from tieout.periods import Period

OCTOBER = Period(date(2026, 10, 1), date(2026, 10, 23))


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Proof:
    """A small sample taken in, reconciled and scored."""
    return prove(tmp_path_factory.mktemp("found"), 5, OCTOBER, invoices_per_day=16)


@pytest.mark.slow
def test_every_class_is_found_and_nothing_else(proof: Proof) -> None:
    assert wrong(proof.scores) == []
    assert len(proof.scores) > 36
    assert {"sequence_gap", "ambiguous"} <= {s.break_class for s in proof.scores}


@pytest.mark.slow
def test_statements_and_waterfalls_leave_nothing_unexplained(proof: Proof) -> None:
    assert proof.unexplained == []


@pytest.mark.slow
def test_sums_that_are_not_ambiguous_are_matched_by_the_search(proof: Proof) -> None:
    assert proof.matched_by["settlement_to_ledger", "by_search"] >= 4


@pytest.mark.slow
def test_rows_sent_twice_are_removed_and_spoiled_ones_kept_apart(proof: Proof) -> None:
    assert proof.rows["duplicates"] == proof.report.sent_twice > 0
    assert proof.rows["quarantined"] == proof.report.refused > 0
    assert proof.rows["received"] == proof.report.total_rows
