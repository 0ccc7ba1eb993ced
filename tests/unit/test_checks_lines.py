"""The schema check of lines says what the models of the lines say, and names a file once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.findings import Finding
from checks.lines import _Feed
from tests.inbox import LEDGER, Inbox, inbox, ledger, posting

DAY = "2026-10-05"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Inbox]:
    with inbox(tmp_path, {"erp": LEDGER}) as opened:
        yield opened


def found(box: Inbox) -> Finding:
    return _Feed("erp", "ledger").schema(box.workplace, [DAY])[DAY]


def test_a_line_of_the_month_before_the_calendar_is_accepted_and_right(box: Inbox) -> None:
    box.put(f"ledger/{DAY}.csv", ledger(posting(1, posting_date="2026-09-30"), posting(2)))
    box.read("erp")
    assert box.lines("erp").height == 2
    assert found(box).passed, found(box).description


def test_what_cannot_be_read_is_named_once(box: Inbox) -> None:
    box.put(f"ledger/{DAY}.csv", "")
    box.read("erp")
    finding = found(box)
    assert not finding.passed
    assert f"{DAY}.csv: the file is empty" in finding.description
    assert finding.description.count(f"{DAY}.csv") == 1
