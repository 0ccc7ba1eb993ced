"""Bad input: a clear error or a quarantine reason, nothing lost, the others go on, a fix heals it.

Cut at every row boundary and at random bytes (the seed is printed with a failure), with and without
control totals beside the file.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.inbox import LEDGER, Inbox, inbox, ledger, posting
from tieout.errors import ExtractError
from tieout.extracts import take_in
from tieout.lines.ingest import WindowReport

DAY = "2026-10-05"
FILE = f"ledger/{DAY}.csv"
OTHER = "ledger/2026-10-06.csv"
CUT = '{format: adyen_settlement_detail, location: "psp/{date}.csv"}'
ROWS = 12
WHOLE = ledger(*(posting(n, f"{n}.25") for n in range(ROWS)))
MANIFEST = {"rows": ROWS, "totals": {"EUR": f"{sum(range(ROWS)) + Decimal('0.25') * ROWS}"}}


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Inbox]:
    with inbox(tmp_path / "in", {"erp": LEDGER, "psp": CUT}) as opened:
        yield opened


def only(reports: list[WindowReport]) -> WindowReport:
    assert len(reports) == 1
    return reports[0]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the file is empty"),
        (WHOLE.replace(",", ";").encode(), "separated by a semicolon"),
        (WHOLE.replace(",", "\t").encode(), "separated by a tab"),
        (WHOLE.encode("utf-16"), "UTF-16"),
        ((WHOLE + posting(99, account="Müller") + "\n").encode("latin-1"), "0xFC in line 14"),
        (WHOLE.replace("currency", "devise").encode(), "missing column(s) currency"),
        (WHOLE.encode() + b'L99,"cut', "inside a quoted cell"),
        (gzip.compress(WHOLE.encode())[:-9], "torn or damaged"),
        (b"PK\x03\x04not a zip", "torn or damaged"),
        (b"PAR1not parquet", "no whole Parquet file"),
        (b"\0" * 500, "UTF-16"),
        (b"\xff" * 500, "is not UTF-8"),
        (b"<html><body>Please log in</body></html>\n", "missing column(s)"),
    ],
)
def test_a_file_of_no_use_fails_alone_and_a_good_one_heals_it(
    box: Inbox, content: bytes, problem: str
) -> None:
    box.put(FILE, content)
    box.put(OTHER, ledger(posting(1, posting_date="2026-10-06")))
    failed, good = box.read("erp")
    assert (failed.window, failed.status) == (DAY, "failed")
    assert failed.error is not None
    assert problem in failed.error
    assert f"{DAY}.csv" in failed.error
    assert "->" in failed.error, "the remedy is named"
    assert good.status == "published"
    assert box.lines("erp").height == 1
    box.put(FILE, WHOLE)
    assert [r.status for r in box.read("erp")] == ["published", "unchanged"]
    assert box.lines("erp").height == ROWS + 1


def test_a_header_and_no_rows_is_an_extract_without_lines(box: Inbox) -> None:
    box.put(FILE, ledger(), {"rows": 0, "totals": {}})
    report = only(box.read("erp"))
    assert (report.status, report.lines) == ("published", 0)
    assert report.notes == (f"{DAY}.csv: the file has a header and no rows",)
    assert box.failed("erp") == []


BAD_CELLS = {
    "amount NaN": ({"debit": "NaN"}, "not_a_number"),
    "amount Infinity": ({"debit": "Infinity"}, "not_a_number"),
    "amount 1e400": ({"debit": "1e400"}, "not_a_number"),
    "20 digits": ({"debit": "12345678901234567890"}, "number_does_not_fit"),
    "16 digits": ({"debit": "1234567890123456"}, "number_does_not_fit"),
    "5 decimals": ({"debit": "0.00001"}, "number_does_not_fit"),
    "no currency there is": ({"currency": "USX"}, "unknown_currency"),
    "a currency with a formula": ({"currency": "=1+1"}, "unknown_currency"),
    "year 0001": ({"posting_date": "0001-01-01"}, "date_out_of_range"),
    "year 9999": ({"posting_date": "9999-12-31"}, "date_out_of_range"),
    "no day there is": ({"posting_date": "2026-02-30"}, "not_a_date"),
    "no account": ({"account": ""}, "missing_value"),
    "an id with a blank": ({"line_id": "a b"}, "bad_line_id"),
    "an id too long": ({"line_id": "x" * 129}, "bad_line_id"),
    "an id that climbs": ({"line_id": "../../etc/passwd"}, "bad_line_id"),
}


@pytest.mark.parametrize("case", BAD_CELLS)
def test_a_bad_cell_sends_its_row_to_quarantine_naming_file_row_column_and_value(
    box: Inbox, case: str
) -> None:
    changes, reason = BAD_CELLS[case]
    box.put(FILE, ledger(posting(1), posting(2, **changes), posting(3)))
    report = only(box.read("erp"))
    assert report.rows == {"received": 3, "accepted": 2, "quarantined": 1, "duplicates": 0}
    refused = box.table("quarantine", "erp").row(0, named=True)
    assert (refused["file"], refused["row_number"], refused["reason"]) == (
        f"{DAY}.csv",
        3,
        reason,
    )
    value = next(iter(changes.values()))
    assert refused["column"]
    assert value in refused["row"]
    assert (refused["value"] or "").rstrip("0.") in value or value in refused["value"]
    assert refused["message"]
    assert refused["remedy"]
    box.put(FILE, ledger(posting(1), posting(2), posting(3)))
    assert only(box.read("erp")).rows["accepted"] == 3
    assert box.reasons("erp") == []


def test_an_account_nobody_mapped_is_a_line_and_says_so(box: Inbox) -> None:
    box.put(FILE, ledger(posting(1, account="4711")))
    box.read("erp")
    assert box.lines("erp")["account_class"].to_list() == ["unmapped"]


def test_currencies_in_one_file_are_never_added(box: Inbox) -> None:
    box.put(FILE, ledger(posting(1), posting(2, currency="usd"), posting(3, currency="JPY")))
    report = only(box.read("erp"))
    assert {c: t["accepted"]["amount"] for c, t in report.totals.items()} == {
        "EUR": "10.00",
        "USD": "10.00",
        "JPY": "10",
    }


def test_formulas_and_control_characters_in_texts_stay_texts(box: Inbox) -> None:
    header = "line_id,posting_date,journal_ref,account,currency,debit,description\n"
    texts = ["=1+1", "+1", "-1", "@x", '=HYPERLINK("http://x")', "\ttab", "cr\rlf", "'; DROP"]
    rows = "".join(
        f'L{n},{DAY},J{n},1200,EUR,1,"{t.replace(chr(34), chr(34) * 2)}"\n'
        for n, t in enumerate(texts)
    )
    box.put(FILE, header + rows)
    assert only(box.read("erp")).rows["accepted"] == len(texts)
    assert [t.strip() for t in texts] == box.lines("erp")["description"].to_list()


def prefixes(text: str) -> list[str]:
    lines = text.splitlines(keepends=True)
    return ["".join(lines[:n]) for n in range(1, len(lines))]


def accounted_for(report: WindowReport) -> None:
    rows = report.rows
    ended = sum(n for word, n in rows.items() if word != "received")
    assert rows["received"] == ended


def test_a_file_cut_at_any_row_is_told_by_its_control_totals(box: Inbox) -> None:
    for cut in prefixes(WHOLE):
        box.put(FILE, cut, MANIFEST)
        report = only(box.read("erp"))
        accounted_for(report)
        expected = [("count", "count_mismatch"), ("control_total", "control_total_mismatch")]
        assert box.failed("erp") == sorted(expected), cut


def test_a_file_cut_at_any_row_without_control_totals_gives_its_rows_and_no_others(
    box: Inbox,
) -> None:
    for rows, cut in enumerate(prefixes(WHOLE)):
        box.put(FILE, cut)
        only(box.read("erp"))
        found = box.lines("erp")["line_id"].to_list() if rows else []
        assert found == [f"L{n}" for n in range(rows)]


SEED = 20261005


def test_a_file_cut_at_random_bytes_loses_nothing_silently(box: Inbox) -> None:
    """With control totals every cut is told; without, all rows but the last are as they were."""
    chance = random.Random(SEED)
    whole = WHOLE.encode()
    good = {f"L{n}": Decimal(f"{n}.25") for n in range(ROWS)}
    for size in sorted(chance.sample(range(1, len(whole) - 1), 40)):
        for manifest in (MANIFEST, None):
            beside = box.folder / f"{FILE}.manifest.json"
            beside.unlink(missing_ok=True)
            box.put(FILE, whole[:size], manifest)
            report = only(box.read("erp"))
            where = f"seed {SEED}, cut at byte {size}"
            if report.status == "failed":
                assert report.error, where
                continue
            accounted_for(report)
            lines = box.lines("erp") if report.lines else None
            amounts = dict(lines.select("line_id", "amount").rows()) if lines is not None else {}
            if manifest:
                assert report.deliveries or report.rows["quarantined"], where
            if report.rows["received"] == 0:
                assert manifest or report.notes, where
                continue
            last = f"L{report.rows['received'] - 1}"
            whole_ones = {k: v for k, v in amounts.items() if k != last}
            assert whole_ones.items() <= good.items(), where
            if amounts.get(last, good.get(last)) != good.get(last) or last not in good:
                assert any("may be cut off" in note for note in report.notes), where


ADYEN_HEADER = (
    "Merchant Account,Psp Reference,Merchant Reference,Creation Date,TimeZone,Type,"
    "Modification Reference,Gross Currency,Gross Debit (GC),Gross Credit (GC),Exchange Rate,"
    "Net Currency,Net Debit (NC),Net Credit (NC),Commission (NC),Batch Number\n"
)


def settlement() -> str:
    paid = "".join(
        f"YOURCOMPANY_ACCOUNT,P{n},O{n},{DAY} 10:00:00,UTC,Settled,R{n},EUR,,10.00,1,EUR,,"
        f"9.00,1.00,12\n"
        for n in range(6)
    )
    out = f"YOURCOMPANY_ACCOUNT,,,{DAY} 11:00:00,UTC,MerchantPayout,TX,,,,,EUR,54.00,,,12\n"
    return ADYEN_HEADER + paid + out


def test_a_settlement_cut_anywhere_is_told_by_its_own_payout(box: Inbox) -> None:
    """No control total beside it: the payout row and the line breaks are enough, at every byte."""
    whole = settlement().encode()
    chance = random.Random(SEED)
    header = len(ADYEN_HEADER)
    cuts = {len(p) for p in prefixes(settlement())} | set(chance.sample(range(1, len(whole)), 30))
    for size in sorted(cuts):
        box.put(f"psp/{DAY}.csv", whole[:size])
        report = only(box.read("psp"))
        where = f"seed {SEED}, cut at byte {size} of {len(whole)}"
        if size < header:
            assert report.status == "failed", where
        elif size == header:
            assert report.lines == 0, where
        else:
            told = report.deliveries or report.rows["quarantined"]
            assert told, where
            accounted_for(report)


def test_random_bytes_changed_are_told_or_change_no_amount(box: Inbox) -> None:
    """One byte of a file with control totals changed, many times over."""
    chance = random.Random(SEED)
    whole = WHOLE.encode()
    good = {f"L{n}": Decimal(f"{n}.25") for n in range(ROWS)}
    for _ in range(60):
        place = chance.randrange(len(whole))
        changed = bytearray(whole)
        changed[place] = chance.choice([0, 10, 34, 44, 48, 57, 65, 255])
        if bytes(changed) == whole:
            continue
        box.put(FILE, bytes(changed), MANIFEST)
        report = only(box.read("erp"))
        where = f"seed {SEED}, byte {place} made {changed[place]}"
        if report.status == "failed":
            continue
        accounted_for(report)
        amounts = box.lines("erp")["amount"].sum() if report.lines else 0
        if not report.deliveries and not report.rows["quarantined"]:
            assert amounts == sum(good.values()), where


def test_a_feed_that_cannot_be_taken_in_does_not_hold_up_another(box: Inbox) -> None:
    (box.folder / "psp").mkdir()
    (box.folder / "psp" / f"{DAY}.csv").symlink_to("/etc/hostname")
    box.put(FILE, WHOLE)
    with pytest.raises(ExtractError, match="out of the feed's location"):
        take_in(box.workplace, "psp", None)
    assert only(box.read("erp")).rows["accepted"] == ROWS


def test_a_huge_row_is_refused_in_bounded_memory(box: Inbox) -> None:
    box.put(FILE, WHOLE.encode() + b'L99,"' + b"x" * (9 << 20) + b'"\n')
    report = only(box.read("erp"))
    assert report.status == "failed"
    assert "larger than 4 MB" in (report.error or "")
