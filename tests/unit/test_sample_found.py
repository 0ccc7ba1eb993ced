"""The sample through the real thing: what is found is what was put in, class by class.

The matcher never sees the labels; here they are compared with what it says.
"""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tieout.breaks import breaks
from tieout.extracts import take_in
from tieout.lines.ingest import refresh_lines
from tieout.matching.reconcile import reconcile
from tieout.model import Break
from tieout.periods import Period, windows_between
from tieout.sample.make import SampleReport, make_sample
from tieout.sample.score import score
from tieout.workplace import Workplace

FIRST, LAST = date(2026, 10, 1), date(2026, 10, 23)
CONFIGURATION = Path(__file__).parents[2] / "tieout.yaml"


@pytest.fixture(scope="module")
def outcome(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, SampleReport, Counter[str], list[Break]]:
    """A small sample taken in and reconciled: its labels, its report, rows by fate, breaks."""
    base = tmp_path_factory.mktemp("found")
    shutil.copy(CONFIGURATION, base)
    report = make_sample(base / "sample", seed=5, first=FIRST, last=LAST, invoices_per_day=8)
    rows: Counter[str] = Counter()
    found: list[Break] = []
    with Workplace.open(base / "tieout.yaml", base / "home") as workplace:
        for name, feed in workplace.settings.feeds.items():
            windows = windows_between(FIRST, LAST, feed.every)
            take_in(workplace, name, windows)
            for window in refresh_lines(workplace, name, windows, run_id="test"):
                assert window.error is None
                rows.update(window.rows)
        for name in workplace.settings.reconciliations:
            reconcile(workplace, name, run_id="test")
            found += breaks(workplace, name, Period(FIRST, LAST))
    return base / "sample" / "labels.csv", report, rows, found


@pytest.mark.slow
def test_every_class_is_found_and_nothing_else(
    outcome: tuple[Path, SampleReport, Counter[str], list[Break]],
) -> None:
    labels, _, _, found = outcome
    scores = score(labels, found)
    wrong = [s for s in scores if (s.precision, s.recall) != (Decimal(1), Decimal(1))]
    assert wrong == []
    assert len(scores) > 35
    assert "sequence_gap" in {s.break_class for s in scores}


@pytest.mark.slow
def test_rows_sent_twice_are_removed_and_spoiled_ones_kept_apart(
    outcome: tuple[Path, SampleReport, Counter[str], list[Break]],
) -> None:
    _, report, rows, _ = outcome
    assert rows["duplicates"] == report.sent_twice > 0
    assert rows["quarantined"] == report.refused > 0
    assert rows["received"] == report.total_rows
