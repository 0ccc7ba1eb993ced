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


def retyped(count: int) -> list[str]:
    return [posting(n, posting_date="05.10.2026") for n in range(count)]


@pytest.mark.parametrize("batch_rows", [1_000_000, 1000])
def test_a_required_column_written_another_way_stops_the_extract(
    tmp_path: Path, batch_rows: int
) -> None:
    """In one batch and in several; the lines of before stand."""
    limits = f"limits: {{batch_rows: {batch_rows}}}"
    with inbox(tmp_path, {"erp": LEDGER}, more=limits) as box:
        box.put(FILE, ledger(posting(1), posting(2)))
        box.read("erp")
        box.put(FILE, ledger(*retyped(2500)))
        (report,) = box.read("erp")
        assert report.status == "failed"
        assert report.error == (
            f"{DAY}.csv: Plain ledger CSV: column posting_date should be a date written as "
            "%Y-%m-%d, and none of its 2,500 values is: row 2 has '05.10.2026' -> have the sender "
            "restore it, or state how it is written in the feed's option format.posting_date"
        )
        assert box.lines("erp")["line_id"].to_list() == ["L1", "L2"]
        assert box.failed("erp") == [MISSING]
        box.put(FILE, ledger(*retyped(2499), posting(2500)))
        (report,) = box.read("erp")
        assert (report.status, report.rows["quarantined"]) == ("published", 2499)


def test_a_single_value_or_a_row_refused_for_more_says_nothing_of_its_column(box: Inbox) -> None:
    box.put(FILE, ledger(*retyped(1)))
    assert [r.status for r in box.read("erp")] == ["published"]
    box.put(FILE, ledger(*(posting(n, posting_date="5.10.26", account="") for n in range(2))))
    assert [r.status for r in box.read("erp")] == ["failed"]
