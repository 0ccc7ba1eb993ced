"""An extract that came and cannot be read is told on the statement, until another one can be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.inbox import LEDGER, Inbox, inbox, ledger, posting

DAY = "2026-10-05"
FILE = f"ledger/{DAY}.csv"
MISSING = ("arrival", "missing_extract")


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Inbox]:
    with inbox(tmp_path, {"erp": LEDGER}) as opened:
        yield opened


def told(box: Inbox) -> list[str]:
    rows = box.table("deliveries", "erp")
    return [row["explanation"] for row in rows.to_dicts() if row["break_class"] == MISSING[1]]


def test_an_unreadable_extract_is_a_delivery_break_with_its_reason(box: Inbox) -> None:
    box.put(FILE, "")
    (report,) = box.read("erp")
    assert report.status == "failed"
    assert box.failed("erp") == [MISSING]
    assert told(box) == [
        f"what erp delivered for {DAY} cannot be read: {DAY}.csv: the file is empty -> "
        "have it sent again, with a header"
    ]
    box.put(FILE, ledger(posting(1)))
    assert [r.status for r in box.read("erp")] == ["published"]
    assert box.failed("erp") == []


def test_the_lines_and_findings_before_it_stay_beside_it(box: Inbox) -> None:
    box.put(FILE, ledger(posting(1)), {"rows": 2})
    box.read("erp")
    assert box.failed("erp") == [("count", "count_mismatch")]
    box.put(FILE, "")
    box.read("erp")
    assert box.lines("erp")["line_id"].to_list() == ["L1"]
    assert box.failed("erp") == [MISSING, ("count", "count_mismatch")]


def test_the_extract_of_before_sent_again_heals_it(box: Inbox) -> None:
    good = ledger(posting(1))
    box.put(FILE, good)
    box.read("erp")
    before = box.table("deliveries", "erp")
    box.put(FILE, "posting_date,journal_ref\n")
    box.read("erp")
    assert box.failed("erp") == [MISSING]
    box.put(FILE, good)
    assert [r.status for r in box.read("erp")] == ["published"]
    assert box.table("deliveries", "erp").equals(before)
    assert [r.status for r in box.read("erp")] == ["unchanged"]


def test_reading_it_in_vain_again_publishes_nothing_new(box: Inbox) -> None:
    box.put(FILE, "")
    box.read("erp")
    box.read("erp")
    assert box.workplace.register.heads("deliveries/erp")[DAY].version == 1
    box.put(FILE, "another,header\n")
    box.read("erp")
    assert box.workplace.register.heads("deliveries/erp")[DAY].version == 2
    assert "another" in told(box)[0]


def test_what_was_missing_has_come_when_it_cannot_be_read(box: Inbox) -> None:
    box.read("erp", [DAY])
    assert told(box) == [f"no extract of erp was delivered for {DAY}"]
    box.put(FILE, "")
    box.read("erp", [DAY])
    assert box.failed("erp") == [MISSING]
    assert "cannot be read" in told(box)[0]
