"""Precision and recall, class by class."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tieout.errors import TieoutError
from tieout.model import Break, SideName
from tieout.sample.score import ClassScore, score

HEADER = "reconciliation,class,side,line_id,amount\n"


def _break(name: str, kind: str, side: SideName, line_id: str) -> Break:
    day = date(2026, 10, 5)
    return Break(
        reconciliation=name,
        break_class=kind,
        side=side,
        feed="f",
        line_id=line_id,
        ref=None,
        entity="E",
        currency="USD",
        amount=Decimal(1),
        occurred_on=day,
        period=day,
        age_days=0,
        explanation="",
        counterpart=None,
    )


def test_each_class_of_each_reconciliation_is_scored_apart(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(
        HEADER
        + "r,missing_in_target,source,a,1.00\n"
        + "r,missing_in_target,source,b,1.00\n"
        + "r,missing_in_target,source,c,1.00\n"
        + "r,amount_mismatch,source,d,1.00\n"
        + "r,amount_mismatch,target,d,1.00\n"
        + "s,amount_mismatch,source,d,1.00\n"
    )
    found = [
        _break("r", "missing_in_target", "source", "a"),
        _break("r", "missing_in_target", "source", "b"),
        _break("r", "missing_in_target", "target", "c"),
        _break("r", "amount_mismatch", "source", "d"),
        _break("r", "late_usage", "source", "e"),
    ]
    assert score(labels, found) == [
        ClassScore("r", "amount_mismatch", labelled=2, found=1, true_positives=1),
        ClassScore("r", "late_usage", labelled=0, found=1, true_positives=0),
        ClassScore("r", "missing_in_target", labelled=3, found=3, true_positives=2),
        ClassScore("s", "amount_mismatch", labelled=1, found=0, true_positives=0),
    ]


def test_a_break_reported_twice_costs_precision(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(HEADER + "r,missing_in_target,source,a,1.00\n")
    one = _break("r", "missing_in_target", "source", "a")
    (twice,) = score(labels, [one, one])
    assert (twice.precision, twice.recall) == (Decimal("0.5"), Decimal(1))


def test_ratios_round_down_and_are_none_where_nothing_counts() -> None:
    most = ClassScore("r", "c", labelled=100_000, found=99_999, true_positives=99_999)
    assert (most.precision, most.recall) == (Decimal(1), Decimal("0.9999"))
    none = ClassScore("r", "c", labelled=0, found=0, true_positives=0)
    assert (none.precision, none.recall) == (None, None)


def test_a_file_that_is_no_labels_file_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "labels.csv"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(TieoutError, match="no labels file"):
        score(other, [])
