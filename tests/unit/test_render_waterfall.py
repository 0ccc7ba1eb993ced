"""Waterfalls as pictures, as tables of a page and in the workbook: the bars lead to the target."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from decimal import Decimal

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.statement_values import AMOUNTS, HOSTILE, figure, statement
from tieout.model import BREAK_CLASSES
from tieout.render import html, waterfall, waterfall_chart
from tieout.render.sparkline import LONGEST
from tieout.render.workbook import workbook
from tieout.waterfall import Step, Waterfall

SVG = "{http://www.w3.org/2000/svg}"
Bar = tuple[str, int, int, int]
"""Colour, left edge, top and width in pixels."""


def one_waterfall(*steps: tuple[str, str, str], currency: str = "USD") -> Waterfall:
    """Steps of kind, label and amount, each of one line."""
    made = tuple(Step(kind, label, figure(1, amount)) for kind, label, amount in steps)
    return Waterfall("settlement_to_ledger", "2026-10", "US01", currency, made)


PLAIN = one_waterfall(
    ("source", "charge", "100"),
    ("source", "refund", "-20"),
    ("open_source", "missing_in_target", "-30"),
    ("open_source", "fee_variance", "5"),
    ("residual", "rounding", "0.01"),
    ("elsewhere", "source", "20"),
    ("open_target", "fee_variance", "-10"),
    ("target", "charge", "65.01"),
)
"""80.00 less 30 and 5, a cent and 20 more: 65.01."""
SMALL_STEPS = one_waterfall(
    ("source", "charge", "50000"), ("open_source", "timing", "-7"), ("target", "charge", "49993")
)


def bars(svg: str) -> list[Bar]:
    """Every bar drawn, from top to bottom."""
    found = []
    for path in ET.fromstring(svg).iter(f"{SVG}path"):  # noqa: S314 - our own text
        for x, y, width in re.findall(r"M(\d+) (\d+)h(\d+)v\d+h-\d+z", path.get("d", "")):
            found.append((path.get("fill", ""), int(x), int(y), int(width)))
    return sorted(found, key=lambda bar: bar[2])


def words(svg: str) -> list[str]:
    return [t.text or "" for t in ET.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314 - our own


def opened(image: str) -> str:
    """The SVG inside a Markdown image."""
    found = re.fullmatch(r"!\[.*\]\(data:image/svg\+xml;base64,(.*)\)", image)
    assert found is not None
    return base64.b64decode(found[1]).decode()


def test_bars_begin_where_the_one_above_ended() -> None:
    svg = waterfall_chart.chart(PLAIN)
    drawn = bars(svg)
    charge, refund, source, cent, elsewhere, missing, fee, target = drawn
    pixel = charge[3] / 100
    zero = charge[1]
    for bar, low, high in (
        (charge, 0, 100),
        (refund, 80, 100),
        (source, 0, 80),
        (elsewhere, 80.01, 100.01),
        (missing, 70.01, 100.01),
        (fee, 65.01, 70.01),
        (target, 0, 65.01),
    ):
        assert bar[1] == pytest.approx(zero + low * pixel, abs=1)
        assert bar[1] + bar[3] == pytest.approx(zero + high * pixel, abs=1)
    assert cent[3] >= 2, "a cent can be seen"
    assert not [word for word in words(svg) if "axis" in word]


def test_every_row_has_its_label_and_amount_beside_its_bar() -> None:
    said = words(waterfall_chart.chart(PLAIN))
    for label, amount in (
        ("charge", "100.00"),
        ("source", "80.00"),
        ("rounding, left by matches", "0.01"),
        ("missing_in_target", "-30.00"),
        ("fee_variance", "-5.00"),
        ("target", "65.01"),
        ("unexplained", "0.00"),
    ):
        assert said[said.index(label) + 1] == amount
    assert said[-2:] == ["unexplained", "0.00"]


def test_small_steps_of_a_large_amount_are_seen_and_the_picture_says_how() -> None:
    svg = waterfall_chart.chart(SMALL_STEPS)
    charge, source, timing, target = bars(svg)
    assert timing[3] > 100
    assert target[3] == pytest.approx(source[3] - timing[3], abs=1)
    assert charge[3] == source[3]
    assert "does not begin at 0" in words(svg)[-1]
    assert "source (cut)" in words(opened(waterfall_chart.small(SMALL_STEPS)))


def test_what_is_unexplained_is_drawn() -> None:
    wrong = one_waterfall(("source", "charge", "10"), ("target", "charge", "12"))
    assert wrong.unexplained == 2
    assert len(bars(waterfall_chart.chart(wrong))) == 4
    assert "unexplained 2.00" in words(opened(waterfall_chart.small(wrong)))
    assert "| **unexplained** |  | 2.00 |" in waterfall.table(wrong)
    assert waterfall.unexplained_text([PLAIN, wrong]) == (
        "2.00 USD (settlement_to_ledger, 2026-10, US01)"
    )
    assert waterfall.unexplained_text([PLAIN]) == "0.00"


LABELS = st.sampled_from([*HOSTILE, "charge", "a component with a very long name, however it came"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("source"), LABELS, AMOUNTS),
        st.tuples(
            st.sampled_from(["open_source", "open_target"]), st.sampled_from(BREAK_CLASSES), AMOUNTS
        ),
        st.tuples(st.just("residual"), LABELS, AMOUNTS),
        st.tuples(st.just("elsewhere"), st.sampled_from(["source", "target"]), AMOUNTS),
        st.tuples(st.just("converted"), st.just("converted"), AMOUNTS),
        st.tuples(st.just("target"), LABELS, AMOUNTS),
    ),
    max_size=60,
    unique_by=lambda step: step[:2],
)


@given(STEPS)
def test_any_waterfall_is_drawn_inside_its_picture_and_shown_in_place(
    steps: Sequence[tuple[str, str, Decimal]],
) -> None:
    one = one_waterfall(*((kind, label, str(amount)) for kind, label, amount in steps))
    image = waterfall_chart.small(one)
    assert len(image) <= LONGEST
    for svg, wide in ((opened(image), 372), (waterfall_chart.chart(one), 720)):
        height = int(ET.fromstring(svg).get("height", "0"))  # noqa: S314 - our own text
        for _, x, y, width in bars(svg):
            assert 0 <= x <= x + width <= wide
            assert 0 <= y < height
        assert "<script" not in svg
    shown = waterfall.rows(one)
    nonzero = sum(1 for row in shown if row.figure.amount)
    assert len(bars(waterfall_chart.chart(one))) == nonzero


def test_the_report_shows_every_waterfall_down_to_its_last_line() -> None:
    page = html.report([statement()], [], title="t", waterfalls=[PLAIN, SMALL_STEPS])
    assert page.count("<svg") == 2
    section = page[page.index('id="waterfall"') : page.index('id="breaks"')]
    assert section.count('<th scope="row" class="depth0">unexplained</th>') == 2
    assert "settlement_to_ledger, 2026-10, US01, USD" in page
    assert "Waterfalls" not in html.report([statement()], [], title="t")


def test_the_workbooks_sheet_adds_up() -> None:
    data = workbook([statement()], [], [PLAIN, SMALL_STEPS])
    sheet = openpyxl.load_workbook(io.BytesIO(data))["Waterfall"]
    heads, *body = sheet.iter_rows(values_only=True)
    found = [dict(zip(heads, row, strict=True)) for row in body]
    assert [row["step"] for row in found].count("unexplained") == 2
    sums: dict[str, Decimal] = {}
    for row in found:
        part = str(row["part"])
        sums[part] = sums.get(part, Decimal(0)) + Decimal(str(row["amount"]))
    assert sums["component"] == sums["source"] == Decimal(50080)
    steps = sums["residual"] + sums["elsewhere"] + sums["timing"] + sums["break"]
    assert sums["source"] + steps == sums["target"] == Decimal("50058.01")
    assert sums["unexplained"] == 0
    names = openpyxl.load_workbook(io.BytesIO(workbook([statement()], []))).sheetnames
    assert "Waterfall" not in names
