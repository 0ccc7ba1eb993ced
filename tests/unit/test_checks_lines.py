"""The schema check of lines says what the models of the lines say, and names a file once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.findings import Finding
from checks.lines import _Feed
from tests.inbox import LEDGER, Inbox, inbox, ledger, posting

DAY = "2026-10-05"
BESIDE = f"ledger/{DAY}.csv.manifest.json"


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


@pytest.mark.parametrize(
    "spoilt", ['{"rows": 2', '{"sha256": "00"}', '{"rows": -1}', '{"totals": {"EUR": NaN}}']
)
def test_a_manifest_that_turns_bad_after_its_data_was_published_is_not_green(
    box: Inbox, spoilt: str
) -> None:
    box.put(f"ledger/{DAY}.csv", ledger(posting(1), posting(2)), {"rows": 2})
    box.read("erp")
    assert found(box).passed
    (box.folder / BESIDE).write_text(spoilt, encoding="utf-8")
    for _ in range(2):
        assert [report.status for report in box.read("erp")] == ["failed"]
        finding = found(box)
        assert not finding.passed
        assert f"{DAY}.csv.manifest.json" in (finding.unreadable or "")
    box.put(f"ledger/{DAY}.csv", ledger(posting(1), posting(2)), {"rows": 2})
    box.read("erp")
    assert found(box).passed
