"""Charts as SVG text of a few kilobytes: no script, the same bytes for the same figures.

Colours keep their difference for colour-blind readers and stand on a white ground of their own.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import ROUND_FLOOR, Decimal
from xml.sax.saxutils import escape

from tieout.model import SideName, Statement
from tieout.render.layout import percent_text, printable

LAYERS = (
    ("matched", "matched", "#2f7d5b"),
    ("matched_in_transit", "in transit", "#7fb2d9"),
    ("timing", "timing", "#e3b23c"),
    ("breaks", "breaks", "#b3261e"),
)
"""Row of the statement, its name in the legend, its colour; from the bottom up."""
_WIDTH, _HEIGHT = 720, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 44, 30
_LEAST = 2
"""Pixels that anything but nothing gets: one break among 100,000 lines must be seen."""
_MOST_DAYS = 120


def outcomes(given: Sequence[Statement], title: str, side: SideName = "source") -> str:
    """Stacked bars by day: how many lines of a side are matched, in transit, timing, breaks.

    `given` are statements of days, of any entities and currencies (counts add up across them); at
    most the last 120 days are drawn.
    """
    days: dict[date, dict[str, int]] = {}
    for one in given:
        if one.side == side:
            counts = days.setdefault(one.period.first, dict.fromkeys((n for n, _, _ in LAYERS), 0))
            for name in counts:
                counts[name] += one.rows[name].count
    shown = sorted(days)[-_MOST_DAYS:]
    top = max((sum(days[day].values()) for day in shown), default=0)
    paths = _bars([days[day] for day in shown], top)
    legend = _legend([(label, colour) for _, label, colour in LAYERS])
    sums = ", ".join(f"{sum(days[d][name] for d in shown):,} {label}" for name, label, _ in LAYERS)
    axis = [(0, "0"), (1, f"{top:,}")] if top else [(0, "0")]
    body = [*_grid(axis), *paths, *_day_names(shown), *legend]
    return picture(title, f"{side} lines by day: {sums}", body)


def completeness(points: Mapping[date, Decimal], title: str) -> str:
    """A line of the completeness percentage by day, from just under the lowest to 100."""
    shown = sorted(points)[-_MOST_DAYS:]
    lowest = min((points[day] for day in shown), default=Decimal(0))
    floor = min((lowest - Decimal("0.01")).to_integral_value(ROUND_FLOOR), Decimal(99))
    floor = max(floor, Decimal(0))
    spots = []
    for n, day in enumerate(shown):
        x, width = _slot(n, len(shown))
        share = (points[day] - floor) / (100 - floor)
        spots.append(f"{_short(x + width / 2)},{_short(_y(float(share)))}")
    colour = LAYERS[0][2]
    line = f'<polyline points="{" ".join(spots)}" fill="none" stroke="{colour}" stroke-width="2"/>'
    dots = [f'<circle cx="{x}" cy="{y}" r="2.5"/>' for x, y in (s.split(",") for s in spots)]
    axis = [(0, f"{floor}%"), (1, "100%")]
    body = [*_grid(axis), line, f'<g fill="{colour}">', *dots, "</g>", *_day_names(shown)]
    said = f"lowest {percent_text(lowest)}" if shown else "no days"
    return picture(title, f"completeness by day: {said}", body)


def as_markdown_image(svg: str, title: str) -> str:
    """The picture inside Markdown, as a data URL (Dagster's pages show it)."""
    data = base64.b64encode(svg.encode()).decode("ascii")
    plain = "".join(c for c in printable(title) if c not in "[]\\")
    return f"![{plain}](data:image/svg+xml;base64,{data})"


def _bars(days: Sequence[Mapping[str, int]], top: int) -> list[str]:
    """One path for each layer; all bars of a colour are one element, which keeps the text small."""
    strokes: dict[str, list[str]] = {name: [] for name, _, _ in LAYERS}
    plot = _HEIGHT - _TOP - _BOTTOM
    for n, counts in enumerate(days):
        x, width = _slot(n, len(days))
        bar = width * 0.8
        heights = {name: max(count / top * plot, _LEAST) for name, count in counts.items() if count}
        over = sum(heights.values()) - plot
        if over > 0:
            heights[max(heights, key=heights.__getitem__)] -= over
        base = float(_HEIGHT - _BOTTOM)
        for name, height in heights.items():
            base -= height
            strokes[name].append(
                f"M{_short(x + width * 0.1)} {_short(base)}h{_short(bar)}v{_short(height)}"
                f"h-{_short(bar)}z"
            )
    return [
        f'<path fill="{colour}" d="{"".join(strokes[name])}"/>'
        for name, _, colour in LAYERS
        if strokes[name]
    ]


def picture(
    title: str, description: str, body: Sequence[str], *, height: int = _HEIGHT, left: int = _LEFT
) -> str:
    """An SVG picture with its title above the body, which is SVG text, escaped where it must be."""
    name, said = escape(printable(title)), escape(printable(description))
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"'
            f' width="{_WIDTH}" height="{height}" role="img"'
            ' font-family="system-ui, sans-serif" font-size="11" fill="#333">',
            f"<title>{name}</title><desc>{said}</desc>",
            f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
            f'<text x="{left}" y="16" font-size="13" font-weight="600">{name}</text>',
            *body,
            "</svg>",
        ]
    )


def _grid(axis: Sequence[tuple[float, str]]) -> list[str]:
    lines = []
    for share, label in axis:
        y = _short(_y(share))
        lines.append(f'<path stroke="#bbb" d="M{_LEFT} {y}H{_WIDTH - _RIGHT}"/>')
        lines.append(f'<text x="{_LEFT - 6}" y="{y}" dy="4" text-anchor="end">{label}</text>')
    return lines


def _legend(layers: Sequence[tuple[str, str]]) -> list[str]:
    parts, x = [], _LEFT
    for label, colour in layers:
        parts.append(f'<rect x="{x}" y="24" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{x + 14}" y="33">{label}</text>')
        x += 90
    return parts


def _day_names(days: Sequence[date]) -> list[str]:
    """At most about eleven dates, so that they never touch each other."""
    step = max(1, -(-len(days) // 11))
    names = []
    for n in range(0, len(days), step):
        x, width = _slot(n, len(days))
        names.append(
            f'<text x="{_short(x + width / 2)}" y="{_HEIGHT - 12}" text-anchor="middle">'
            f"{days[n]:%m-%d}</text>"
        )
    return names


def _slot(n: int, number: int) -> tuple[float, float]:
    """Left edge and width of the n-th day's place; few days do not make broad walls."""
    width = min((_WIDTH - _LEFT - _RIGHT) / max(number, 1), 60.0)
    return _LEFT + n * width, width


def _y(share: float) -> float:
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
