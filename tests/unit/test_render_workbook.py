"""The workbook, read back with another library and as raw XML."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import datetime
from decimal import Decimal

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.worksheet.worksheet import Worksheet

from tests.unit.statement_values import HOSTILE, figure, one_break, statement
from tieout.render import workbook as module
from tieout.render.workbook import workbook


def sheet(data: bytes, name: str) -> Worksheet:
    found = openpyxl.load_workbook(io.BytesIO(data))[name]
    assert isinstance(found, Worksheet)
    return found


def records(data: bytes, name: str) -> list[dict[str, object]]:
    rows = list(sheet(data, name).iter_rows(values_only=True))
    return [dict(zip(map(str, rows[0]), row, strict=True)) for row in rows[1:] if row[1]]


def test_text_from_data_is_never_a_formula_or_a_link() -> None:
    breaks = [one_break(line_id=w, ref=w, explanation=w, counterpart=w) for w in HOSTILE]
    data = workbook([statement(), statement("target", name="x")], breaks)
    book = openpyxl.load_workbook(io.BytesIO(data))
    for one in book:
        assert isinstance(one, Worksheet)
        for row in one.iter_rows():
            for cell in row:
                assert cell.data_type != "f", cell.coordinate
                assert cell.hyperlink is None
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        for name in parts.namelist():
            raw = parts.read(name).decode()
            assert not re.search(r"<f[ >]|<hyperlink|relationships/hyperlink", raw), name
    kept = [row["explanation"] for row in records(data, "Breaks")]
    for word in (w for w in HOSTILE if w.isprintable()):
        assert word in kept


def test_a_cell_that_looks_like_a_formula_stays_text_when_it_is_edited() -> None:
    data = workbook([statement()], [one_break(line_id="=1+1"), one_break(line_id="plain")])
    cells = {c.value: c for row in sheet(data, "Breaks").iter_rows() for c in row}
    assert cells["=1+1"].quotePrefix
    assert not cells["plain"].quotePrefix


@settings(max_examples=40, deadline=None)
@given(st.lists(st.decimals(-(10**17), 10**17, places=4), min_size=1, max_size=20))
def test_amounts_are_numbers_only_where_a_spreadsheet_holds_them_exactly(
    amounts: list[Decimal],
) -> None:
    breaks = [one_break(amount=str(a), line_id=f"txn_{n}") for n, a in enumerate(amounts)]
    found = {row["line_id"]: row["amount"] for row in records(workbook([], breaks), "Breaks")}
    for n, amount in enumerate(amounts):
        value = found[f"txn_{n}"]
        if isinstance(value, str):
            assert Decimal(value) == amount
            digits = amount.normalize().as_tuple()
            assert len(digits.digits) + max(int(digits.exponent), 0) > 13
        else:
            # 15 significant digits are what a spreadsheet shows of a number.
            assert Decimal(f"{float(str(value)):.15g}") == amount


def test_numbers_are_shown_with_the_currency_s_decimals() -> None:
    breaks = [
        one_break(amount="1234.5"),
        one_break(amount="1234", currency="JPY"),
        one_break(amount="1.2345", currency="USD"),
    ]
    cells = list(sheet(workbook([], breaks), "Breaks").iter_rows(min_row=2, min_col=9, max_col=9))
    assert [(c[0].value, c[0].number_format) for c in cells] == [
        (1234, "#,##0"),
        (1234.5, "#,##0.00"),
        (1.2345, "#,##0.0000"),
    ]


def test_the_sheets_say_what_the_statement_says() -> None:
    data = workbook([statement(), statement("target")], [one_break()])
    book = openpyxl.load_workbook(io.BytesIO(data))
    assert book.sheetnames == ["Summary", "Statements", "Breaks", "Open items"]
    for one in book:
        assert isinstance(one, Worksheet)
        assert one.freeze_panes == "A2"
        assert one.auto_filter.ref
    first = records(data, "Summary")[0]
    assert first["received, amount"] == 1203311.2
    assert first["unexplained, lines"] == 0
    assert first["complete by count"] == 0.9983
    rows = {r["row"]: r for r in records(data, "Statements") if r["side"] == "source"}
    assert (rows["quarantined"]["count"], rows["quarantined"]["amount"]) == (3, -120)
    assert rows["missing_in_target"]["amount"] == 150
    items = records(data, "Open items")[0]
    assert (items["closing, lines"], items["2-7 days old, amount"]) == (12, 200)
    assert records(data, "Breaks")[0]["period"] == datetime(2026, 10, 5)


def test_the_same_figures_give_the_same_bytes_and_no_clock_is_in_them() -> None:
    given_statements = [statement(unexplained=figure(1, "2"))]
    data = workbook(given_statements, [one_break()])
    assert data == workbook(given_statements, [one_break()])
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        assert {info.date_time for info in parts.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        stamps = re.findall(r"\d{4}-\d\d-\d\dT", parts.read("docProps/core.xml").decode())
    assert set(stamps) == {"2000-01-01T"}


def test_a_workbook_holds_the_largest_breaks_and_says_how_many_are_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_BREAKS", 2)
    data = workbook([], [one_break(amount=str(n)) for n in (1, 5, 3)])
    shown = list(sheet(data, "Breaks").iter_rows(values_only=True))
    assert [row[8] for row in shown[1:3]] == [5, 3]
    assert str(shown[-1][0]).startswith("1 smaller breaks are not in this sheet")
