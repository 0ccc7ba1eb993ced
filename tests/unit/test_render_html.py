"""The HTML report and the charts: self-contained, accessible, and deaf to what data would say."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from html.parser import HTMLParser

import pytest

from tests.unit.statement_values import HOSTILE, figure, one_break, statement
from tieout.model import Statement
from tieout.periods import Period
from tieout.render import chart, html

SVG = "{http://www.w3.org/2000/svg}"


def month_of_days(breaks: int = 1, matched: int = 100_000) -> list[Statement]:
    days = []
    for n in range(31):
        day = date(2026, 10, 1) + timedelta(days=n)
        base = statement()
        rows = base.rows | {
            "matched": figure(matched + n, "0"),
            "breaks": figure(breaks if n % 3 == 0 else 0, "0"),
            "timing": figure(0, "0"),
            "matched_in_transit": figure(0, "0"),
        }
        days.append(replace(base, period=Period(day, day), rows=rows))
    return days


class Page(HTMLParser):
    """What a browser would make of the page: tags, ids, links, the figures of the tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.append((name, value or ""))
            if name == "id":
                self.ids.append(value or "")
            if name == "href":
                self.links.append(value or "")

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())


def page() -> Page:
    given = [statement(), statement("target"), statement(currency="EUR", entity="*")]
    breaks = [one_break(line_id=w, ref=w, explanation=w, counterpart=w) for w in HOSTILE]
    return Page(html.report(given, breaks, title="October <2026>", by_day=month_of_days()))


def test_the_page_runs_nothing_and_fetches_nothing() -> None:
    found = page()
    assert not {"script", "link", "iframe", "object", "embed", "form", "img"} & set(found.tags)
    names = {name for name, _ in found.attributes}
    assert not [name for name in names if name.startswith("on") or name == "src"]
    assert all(link.startswith("#") for link in found.links)
    policy = next(v for _, v in found.attributes if "default-src" in v)
    assert policy.startswith("default-src 'none'")


def test_every_link_of_the_overview_leads_to_its_statement() -> None:
    found = page()
    assert len(found.ids) == len(set(found.ids))
    targets = [link.removeprefix("#") for link in found.links]
    assert len(targets) == 3
    assert set(targets) <= set(found.ids)


def test_the_figures_and_the_explanations_are_on_the_page() -> None:
    words = page().words
    assert "October <2026>" in words
    assert words.count("1,203,311.20") == 6
    assert "<script>alert(1)</script>" in words
    assert "all entities" in words


def test_the_same_figures_give_the_same_page_and_a_failing_one_says_so() -> None:
    one = html.report([statement()], [], title="t")
    assert one == html.report([statement()], [], title="t")
    assert "No breaks." in one
    failing = html.report([statement(unexplained=figure(2, "3"))], [], title="t")
    assert "does not hold: 2 lines, 3.00 USD are in no row above" in failing
    assert "do NOT hold" in failing


def test_a_page_lists_the_largest_breaks_and_counts_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(html, "MOST_BREAKS", 3)
    breaks = [one_break(amount=str(n), line_id=f"txn_{n}") for n in range(1, 6)]
    shown = html.report([statement()], breaks, title="t")
    assert "txn_3" in shown
    assert "txn_2" not in shown
    assert "2 smaller breaks not listed here" in shown


def bars(svg: str, colour: str) -> list[float]:
    """Heights of the bars of one colour, from the path's own text."""
    root = ET.fromstring(svg)  # noqa: S314 - our own output
    path = next((p for p in root.iter(f"{SVG}path") if p.get("fill") == colour), None)
    return [] if path is None else [float(h) for h in re.findall(r"v([\d.]+)", path.get("d", ""))]


def test_one_break_among_100000_lines_is_seen_in_the_chart() -> None:
    svg = chart.outcomes(month_of_days(), "October")
    assert len(svg) < 8_000
    matched, broken = bars(svg, "#2f7d5b"), bars(svg, "#b3261e")
    assert len(matched) == 31
    assert len(broken) == 11
    assert min(broken) >= 2
    plot = 240 - 44 - 30
    assert all(h <= plot for h in matched)


def test_bars_are_as_high_as_their_counts() -> None:
    day = statement(period="2026-10-05")
    rows = day.rows | {"matched": figure(75, "0"), "timing": figure(25, "0")}
    rows |= {"breaks": figure(0, "0"), "matched_in_transit": figure(0, "0")}
    svg = chart.outcomes([replace(day, rows=rows)], "t")
    (matched,), (timing,) = bars(svg, "#2f7d5b"), bars(svg, "#e3b23c")
    assert matched == pytest.approx(3 * timing, abs=0.2)


def test_a_chart_has_a_name_and_a_description_and_takes_no_markup() -> None:
    svg = chart.outcomes(month_of_days(breaks=2), "<October> & co")
    root = ET.fromstring(svg)  # noqa: S314 - our own output
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == "<October> & co"
    said = root.findtext(f"{SVG}desc")
    assert said == "source lines by day: 3,100,465 matched, 0 in transit, 0 timing, 22 breaks"


def test_the_completeness_line_is_drawn_between_the_lowest_and_100() -> None:
    first = date(2026, 10, 1)
    points = {first: Decimal("97.5"), first + timedelta(days=1): Decimal(100)}
    root = ET.fromstring(chart.completeness(points, "t"))  # noqa: S314 - our own output
    line = next(root.iter(f"{SVG}polyline"))
    low, high = (float(p.split(",")[1]) for p in (line.get("points") or "").split())
    assert high == 44
    assert low == pytest.approx(44 + (240 - 44 - 30) * 2.5 / 3, abs=0.1)
    assert "97%" in [t.text for t in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("days", [0, 1, 400])
def test_a_chart_of_no_day_one_day_or_many_is_a_picture(days: int) -> None:
    first = date(2026, 1, 1)
    points = {first + timedelta(days=n): Decimal("99.5") for n in range(days)}
    root = ET.fromstring(chart.completeness(points, "t"))  # noqa: S314 - our own output
    assert len(list(root.iter(f"{SVG}circle"))) == min(days, 120)
    ET.fromstring(chart.outcomes([], "t"))  # noqa: S314 - our own output


def test_a_chart_goes_into_markdown_as_a_picture() -> None:
    shown = chart.as_markdown_image(chart.outcomes([], "t"), "a]b")
    assert re.fullmatch(r"!\[ab\]\(data:image/svg\+xml;base64,[A-Za-z0-9+/=]+\)", shown)
