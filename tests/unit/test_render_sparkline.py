"""The short chart: it is short, it is a picture, and its bars stand for the lines of each day."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from datetime import date, timedelta
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.statement_values import figure, statement
from tieout.model import Figure, Statement
from tieout.render.chart import LAYERS
from tieout.render.sparkline import LONGEST, small_outcomes

FIRST = date(2026, 10, 1)
COLOURS = {name: colour for name, _, colour in LAYERS}
Day = tuple[int, int, int]


def _statements(days: list[Day]) -> list[Statement]:
    """Statements of consecutive days with lines matched, in timing and broken."""
    return [
        replace(
            one,
            rows=dict.fromkeys(one.rows, Figure())
            | {
                "matched": figure(matched, "1"),
                "timing": figure(timing, "1"),
                "breaks": figure(breaks, "1"),
            },
        )
        for n, (matched, timing, breaks) in enumerate(days)
        for one in [statement(period=str(FIRST + timedelta(n)))]
    ]


def _drawn(text: str) -> dict[str, list[tuple[int, int]]]:
    """Colour -> (x, top) of every corner of its outline, from the picture's own path data."""
    found = re.fullmatch(r"!\[.*\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)", text)
    assert found
    root = ET.fromstring(base64.b64decode(found[1]))  # noqa: S314 - our own picture
    outlines = {}
    for path in root:
        x, y, corners = 0, 0, []
        for command, number in re.findall(r"([hV])(\d+)", path.attrib["d"]):
            if command == "h":
                x += int(number)
            else:
                y = int(number)
            corners.append((x, 40 - y))
        outlines[path.attrib["fill"]] = corners
    return outlines


LINES = st.integers(0, 10**9)


@given(st.lists(st.tuples(LINES, LINES, LINES), min_size=1, max_size=31))
def test_is_short_and_stays_inside_its_frame(days: list[Day]) -> None:
    dates = [FIRST + timedelta(n) for n in range(len(days))]
    text = small_outcomes(_statements(days), dates)
    assert len(text) <= LONGEST
    for colour, corners in _drawn(text).items():
        assert colour in COLOURS.values()
        assert all(0 <= top <= 40 for _, top in corners)


@pytest.mark.parametrize(
    ("days", "highest"),
    [
        ([(10, 0, 0), (5, 0, 0)], {"matched": 40}),
        ([(10, 0, 0), (5, 5, 0)], {"matched": 40, "timing": 40}),
        ([(50, 25, 25)], {"matched": 20, "timing": 30, "breaks": 40}),
        ([(0, 0, 1), (10**9, 0, 0)], {"matched": 40, "breaks": 40}),
    ],
)
def test_layers_stand_on_each_other(days: list[Day], highest: dict[str, int]) -> None:
    dates = [FIRST + timedelta(n) for n in range(len(days))]
    drawn = _drawn(small_outcomes(_statements(days), dates))
    assert {c: max(top for _, top in corners) for c, corners in drawn.items()} == {
        COLOURS[name]: top for name, top in highest.items()
    }


def test_one_break_among_a_million_lines_is_seen() -> None:
    drawn = _drawn(small_outcomes(_statements([(10**6, 0, 1)]), [FIRST]))
    tops = {colour: max(top for _, top in corners) for colour, corners in drawn.items()}
    assert tops[COLOURS["breaks"]] - tops[COLOURS["matched"]] >= 2


def test_a_day_without_lines_is_a_gap() -> None:
    dates = [FIRST + timedelta(n) for n in range(3)]
    given_days = [one for n, one in enumerate(_statements([(9, 0, 0)] * 3)) if n != 1]
    corners = _drawn(small_outcomes(given_days, dates))[COLOURS["matched"]]
    assert [top for _, top in corners].count(0) >= 1
    assert 0 in [top for x, top in corners if 0 < x < max(x for x, _ in corners)]
