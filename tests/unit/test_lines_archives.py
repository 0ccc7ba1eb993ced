"""A zip of several files gives exactly what the files give apart, and names the file of a row."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.inbox import LEDGER, Inbox, inbox, ledger, posting
from tests.unit.test_lines_sections import FEED, FILE, FORMAT
from tieout.formats.models import Format
from tieout.inspection import read_once
from tieout.lines import deliveries
from tieout.lines.delivery import Source

DAY = "2026-10-05"
WIRE = Format.model_validate(
    yaml.safe_load(
        FORMAT.replace("{record: RF, count: 1}", "{record: RF, count: 1, total: 2, currency: 3}")
    )
)
COLUMNS = "CH,Transaction ID,Time,Gross,Gross CR/DR,Currency,Fee,Net,Net CR/DR"
ROWS = ["good", "bad amount", "short", "unknown record", "does not foot"]


def zipped(members: Sequence[tuple[str, str]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def row(number: int, kind: str) -> str:
    net = {"bad amount": "ten", "does not foot": "971"}.get(kind, "970")
    text = f"SB,T{number},2026/10/05 10:00:00,1000,CR,EUR,30,{net},CR"
    if kind == "short":
        return text.rpartition(",")[0]
    return text.replace("SB", "XX") if kind == "unknown record" else text


def wire(sections: list[list[str]], first: int, off: int) -> str:
    """A file of sections; its totals are too large by `off`."""
    lines, number = ["RH,2026/10/05,A", ""], first
    for section in sections:
        lines += ["SH,1", COLUMNS]
        for kind in section:
            lines.append(row(number, kind))
            number += 1
        good = sum(970 + (kind == "does not foot") for kind in section if kind in ROWS[::4])
        lines += [f"SF,EUR,{good + off},CR", f"SC,{len(section)}"]
    rows = [kind for section in sections for kind in section]
    total = sum(970 + (kind == "does not foot") for kind in rows if kind in ROWS[::4])
    return "\n".join([*lines, f"RF,{len(rows)},{total + off}.00,EUR", ""])


Told = list[tuple[object, ...]]


def outcome(path: Path) -> tuple[int, Told, Told, Told]:
    """Rows received, lines, refused rows and stated totals, without where in the file they are."""
    window, lines, quarantine = read_once(path, WIRE)
    tally = window.tallies[0]
    source = Source("tried", window.received_on, "", path.name)
    found = deliveries.compare(source, tally, WIRE, None, window.stated[0], {})
    assert tally.accepted + tally.refused == tally.rows
    return (
        tally.rows,
        sorted(lines.select("line_id", "amount", "currency", "category").rows()),
        sorted(quarantine.select("reason", "column", "value", "row").rows(), key=str),
        sorted(
            (
                (d["check"], d["ref"], d["stated_count"], d["found_count"])
                + (d["stated_amount"], d["found_amount"], d["break_class"])
                for d in found
                if d["check"] in ("count", "control_total")
            ),
            key=str,
        ),
    )


SECTIONS = st.lists(st.lists(st.sampled_from(ROWS), max_size=4), min_size=1, max_size=3)


@settings(max_examples=20)
@given(st.lists(st.tuples(SECTIONS, st.sampled_from([0, 0, 1])), min_size=1, max_size=4))
def test_a_zip_gives_exactly_what_its_files_give_apart(
    tmp_path_factory: pytest.TempPathFactory, files: list[tuple[list[list[str]], int]]
) -> None:
    folder = tmp_path_factory.mktemp("apart")
    texts = [(f"{n}.csv", wire(s, 100 * n, off)) for n, (s, off) in enumerate(files)]
    rows, lines, refused, compared = 0, [], [], []
    for name, text in texts:
        (folder / name).write_text(text, encoding="utf-8")
        apart = outcome(folder / name)
        rows += apart[0]
        lines += apart[1]
        refused += apart[2]
        compared += apart[3]
    (folder / "all.zip").write_bytes(zipped(texts))
    together = outcome(folder / "all.zip")
    assert together[0] == rows
    assert together[1] == sorted(lines)
    assert together[2] == sorted(refused, key=str)
    assert together[3] == sorted(compared, key=str)


@pytest.fixture
def box(tmp_path: Path) -> Inbox:
    (tmp_path / "formats").mkdir()
    (tmp_path / "formats" / "wire_report.yaml").write_text(FORMAT, encoding="utf-8")
    feeds = {
        "wire": FEED.replace(".csv", ".zip"),
        "erp": LEDGER.replace(".csv", ".zip"),
    }
    with inbox(tmp_path, feeds, more="formats: formats") as opened:
        yield opened


def test_one_bad_cell_in_one_file_refuses_one_row_and_names_the_file(box: Inbox) -> None:
    other = FILE.replace("SB,T", "SB,U").replace("SB,U2,2026/10/05", "SB,U2,2026/99/05")
    box.put(f"wire/{DAY}.zip", zipped([("a.csv", FILE), ("b.csv", other)]))
    report = box.read("wire")[0]
    assert report.rows == {"received": 6, "accepted": 5, "quarantined": 1, "duplicates": 0}
    refused = box.table("quarantine", "wire").row(0, named=True)
    assert refused["line_id"] == "U2"
    assert refused["file"] == f"{DAY}.zip!b.csv"
    assert refused["row_number"] == 13 + 5
    assert refused["message"].endswith(f"(row 5 of {DAY}.zip!b.csv)")
    assert box.failed("wire") == []


def test_a_trailer_that_disagrees_names_its_file(box: Inbox) -> None:
    other = FILE.replace("SB,T", "SB,U").replace("SF,EUR,570,CR", "SF,EUR,571,CR")
    box.put(f"wire/{DAY}.zip", zipped([("a.csv", FILE), ("b.csv", other)]))
    assert box.read("wire")[0].status == "published"
    failed = box.table("deliveries", "wire").filter(pl.col("break_class").is_not_null())
    assert failed.select("file", "ref", "found_amount").rows() == [
        (f"{DAY}.zip!b.csv", "SF 1", Decimal("5.70")),
    ]


def test_files_cut_in_other_ways_lose_no_row(box: Inbox) -> None:
    good, bad = ledger(posting(1), posting(2, "x")), ledger(posting(3), posting(4))
    keys = ("line_id", "posting_date", "journal_ref", "account", "currency", "debit")
    cells = ("L5", DAY, "J5", "1200", "EUR", "ten")
    members = [
        ("a.csv", good),
        ("b.tsv", bad.replace(",", "\t")),
        ("c.ndjson", json.dumps(dict(zip(keys, cells, strict=True))) + "\n{\n"),
        ("d.csv", ledger()),
        ("e.csv", ledger(posting(6), "cut,off", posting(7, "y"))),
    ]
    box.put(f"ledger/{DAY}.zip", zipped(members))
    assert box.read("erp")[0].rows == {
        "received": 9,
        "accepted": 4,
        "quarantined": 5,
        "duplicates": 0,
    }
    assert box.lines("erp")["line_id"].to_list() == ["L1", "L3", "L4", "L6"]
    refused = box.table("quarantine", "erp").sort("row_number")
    assert [name.partition("!")[2] for name in refused["file"]] == [
        "a.csv",
        "c.ndjson",
        "c.ndjson",
        "e.csv",
        "e.csv",
    ]
    assert refused["line_id"].to_list() == ["L2", "L5", None, None, "L7"]


def test_an_id_said_twice_otherwise_names_the_file_of_the_row(box: Inbox) -> None:
    members = [("a.csv", ledger(posting(1))), ("b.csv", ledger(posting(1, "11.00")))]
    box.put(f"ledger/{DAY}.zip", zipped(members))
    box.read("erp")
    refused = box.table("quarantine", "erp").row(0, named=True)
    assert (refused["reason"], refused["file"]) == ("conflicting_duplicate", f"{DAY}.zip!b.csv")
