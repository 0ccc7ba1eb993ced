"""Cells of text -> typed cells: exact or refused, never rounded, never silently empty."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.formats.models import Column, Format
from tieout.formats.parsing import Dialect, Typed, type_cells
from tieout.formats.zones import minutes_ahead


def layout(**columns: Column) -> Format:
    return Format(
        name="tried",
        title="Tried",
        kind="ledger",
        documentation="none",
        recognise=(next(iter(columns)),),
        columns=columns,
        line_id="'x'",
        row={},
        lines=({},),  # type: ignore[arg-type]
        control_amount="0",
    )


def typed(cells: dict[str, list[str | None]], columns: Format, **dialect: object) -> Typed:
    height = len(next(iter(cells.values())))
    raw = pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String())).with_columns(
        pl.lit(0, pl.Int32).alias("extract"),
        pl.int_range(2, height + 2, dtype=pl.Int64).alias("source_row"),
    )
    return type_cells(raw, columns, Dialect(**dialect))  # type: ignore[arg-type]


def refused(result: Typed) -> list[tuple[int, str]]:
    found = pl.concat(result.refusals) if result.refusals else pl.DataFrame()
    return found.select("source_row", "reason").rows() if found.height else []


AMOUNT = layout(amount=Column(header="Amount", type="decimal", description="x"))
PLAIN = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)


@given(
    st.lists(
        st.one_of(
            st.decimals(
                min_value=-(10**18) + 1, max_value=10**18 - 1, places=12, allow_nan=False
            ).map("{:f}".format),
            st.text("0123456789.+-eE, NaInfty", max_size=24),
            st.from_regex(r"[+-]?\d{1,30}(\.\d{0,20})?", fullmatch=True),
        ),
        min_size=1,
    )
)
def test_a_decimal_is_the_number_that_was_written_or_is_refused(texts: list[str]) -> None:
    result = typed({"Amount": list(texts)}, AMOUNT)
    wrong = {row for row, _ in refused(result)}
    for row, text in enumerate(texts, 2):
        read = result.rows["amount"][row - 2]
        plain = text.strip()
        if not plain:
            assert read is None
            assert row not in wrong
        elif row in wrong:
            assert read is None
            whole, _, fraction = plain.lstrip("+-").partition(".")
            fits = len(whole.lstrip("0")) <= 18 and len(fraction.rstrip("0")) <= 12
            assert not (PLAIN.fullmatch(plain) and fits)
        else:
            assert read == Decimal(plain)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1e3", "not_a_number"),
        ("1e400", "not_a_number"),
        ("NaN", "not_a_number"),
        ("Infinity", "not_a_number"),
        ("-inf", "not_a_number"),
        ("$5", "not_a_number"),
        ("1,234.50", "not_a_number"),
        ("--1", "not_a_number"),
        ("0x10", "not_a_number"),
        ("١٢", "not_a_number"),
        ("12345678901234567890", "number_does_not_fit"),
        ("0.1234567890123", "number_does_not_fit"),
    ],
)
def test_what_is_no_plain_decimal_is_refused_with_its_reason(text: str, reason: str) -> None:
    result = typed({"Amount": [text]}, AMOUNT)
    assert refused(result) == [(2, reason)]
    shown = result.refusals[0].row(0, named=True)
    assert text in shown["message"]
    assert shown["column"] == "Amount"
    assert shown["remedy"]


@pytest.mark.parametrize(
    ("text", "thousands", "decimal", "amount"),
    [
        ("1,653.75", ",", ".", "1653.75"),
        ("-12,431.37", ",", ".", "-12431.37"),
        ("1.653,75", ".", ",", "1653.75"),
        ("1 653,75", " ", ",", "1653.75"),
        ("1653,75", "", ",", "1653.75"),
        ("12,34.5", ",", ".", None),
        ("1,653", ".", ",", "1.653"),
        ("1.65,375", ".", ",", None),
        ("1653.75", "", ",", None),
        ("1,,000", ",", ".", None),
    ],
)
def test_separators_are_read_where_they_may_stand(
    text: str, thousands: str, decimal: str, amount: str | None
) -> None:
    result = typed({"Amount": [text]}, AMOUNT, thousands=thousands, decimal=decimal)
    assert result.rows["amount"][0] == (None if amount is None else Decimal(amount))
    assert bool(refused(result)) == (amount is None)


def test_words_for_no_value_are_none_and_blanks_around_a_cell_do_not_count() -> None:
    result = typed({"Amount": ["NULL", "", "  ", None, " 5 "]}, AMOUNT, nulls=("NULL",))
    assert result.rows["amount"].to_list() == [None, None, None, None, Decimal(5)]
    assert not refused(result)


def test_a_column_every_row_must_fill_says_so() -> None:
    columns = layout(ref=Column(header="Ref", required=True, filled=True, description="x"))
    assert refused(typed({"Ref": ["a", " ", None]}, columns)) == [
        (3, "missing_value"),
        (4, "missing_value"),
    ]


MOMENT = layout(
    at=Column(
        header=("Date", "Time"),
        type="timestamp",
        format="%d/%m/%Y %H:%M:%S",
        zone_column="zone",
        description="x",
    ),
    zone=Column(header="Zone", description="x"),
)


@pytest.mark.parametrize(
    ("zone", "ahead"),
    [("CET", 60), ("CEST", 120), ("PST", -480), ("PDT", -420), ("UTC", 0), ("-0800", -480)]
    + [("+05:30", 330), ("GMT+0100", 60)],
)
def test_moments_become_utc_by_the_zone_of_their_row(zone: str, ahead: int) -> None:
    result = typed({"Date": ["29/12/2015"], "Time": ["23:45:51"], "Zone": [zone]}, MOMENT)
    local = datetime(2015, 12, 29, 23, 45, 51)
    assert result.rows["at"][0] == local - timedelta(minutes=ahead)
    assert minutes_ahead(zone) == ahead


def test_a_zone_nobody_knows_and_a_day_that_is_none_are_told_apart() -> None:
    result = typed(
        {
            "Date": ["29/12/2015", "30/02/2016", "2016-01-01"],
            "Time": ["00:00:00"] * 3,
            "Zone": ["XYZ", "CET", "CET"],
        },
        MOMENT,
    )
    assert refused(result) == [(2, "unknown_zone"), (3, "not_a_date"), (4, "not_a_date")]
    assert "XYZ" in result.refusals[0]["value"][0]


def test_an_iana_zone_follows_the_summer_time_of_its_place() -> None:
    columns = layout(
        at=Column(
            header="At",
            type="timestamp",
            format="%Y-%m-%d %H:%M",
            zone="Europe/Amsterdam",
            description="x",
        )
    )
    read = typed({"At": ["2026-01-15 12:00", "2026-07-15 12:00"]}, columns).rows["at"].to_list()
    assert [moment.hour for moment in read] == [11, 10]


def test_a_month_is_its_first_day() -> None:
    columns = layout(
        period=Column(header="P", type="date", format=("%b %Y", "Adj %b %Y"), description="x")
    )
    result = typed({"P": ["Oct 2026", "Adj Dec 2026", "Foo 2026"]}, columns)
    assert result.rows["period"].to_list() == [date(2026, 10, 1), date(2026, 12, 1), None]
    assert refused(result) == [(4, "not_a_date")]


def test_minor_units_follow_the_currency() -> None:
    columns = layout(
        amount=Column(header="A", type="decimal", minor_units="currency", description="x"),
        currency=Column(header="C", description="x"),
    )
    cells: dict[str, list[str | None]] = {"A": ["1234"] * 3, "C": ["usd", "JPY", "KWD"]}
    read = typed(cells, columns).rows["amount"].to_list()
    assert read == [Decimal("12.34"), Decimal(1234), Decimal("1.234")]


def test_words_are_mapped_whatever_their_case_and_unknown_ones_refused() -> None:
    strict = Column(header="S", values={"Posted": "posted"}, description="x")
    loose = Column(header="S", values={"Posted": "posted"}, otherwise="draft", description="x")
    result = typed({"S": ["POSTED", "Odd", None]}, layout(strict=strict, loose=loose))
    assert result.rows["strict"].to_list() == ["posted", None, None]
    assert result.rows["loose"].to_list() == ["posted", "draft", None]
    assert refused(result) == [(3, "unknown_value")]


def test_text_that_looks_like_a_formula_is_kept_as_text() -> None:
    columns = layout(name=Column(header="N", description="x"))
    texts: list[str | None] = ["=1+1", "@SUM(A1)", "-2+3", '=HYPERLINK("http://x")']
    assert typed({"N": texts}, columns).rows["name"].to_list() == texts
