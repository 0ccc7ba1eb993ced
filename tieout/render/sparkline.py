"""A chart of lines by day in a few hundred bytes, for places that cut longer text short.

Dagster's pages show Markdown in place only below 1,000 characters; a picture inside it counts.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import date

from tieout.model import Statement
from tieout.render.chart import LAYERS

LONGEST = 999
_HEIGHT, _WIDTH = 40, 186
_SCALE = 2
"""Pixels a unit: the pages' own column is some 400 pixels wide."""
_LEAST = 2
"""Pixels that a break gets among any number of lines."""


def small_outcomes(given: Sequence[Statement], days: Sequence[date]) -> str:
    """Markdown image of the source lines of days: matched below, timing above it, breaks on top.

    `given` are statements of days, of any entities and currencies. At most LONGEST characters for
    up to 31 days; a day without a line is a gap.
    """
    counts = {day: _counts(given, day) for day in days}
    top = max((sum(one.values()) for one in counts.values()), default=0)
    heights = [_heights(counts[day], top) for day in days]
    step = min(_WIDTH // max(len(days), 1), _WIDTH // 6)
    layers = [(0, "matched"), (1, "timing"), (2, "breaks")]
    # From the highest to the lowest, each painted over the one before it.
    paths = [
        f'<path fill="{colour}" d="{_area([sum(h[: n + 1]) for h in heights], step)}"/>'
        for (n, name) in reversed(layers)
        for key, _, colour in LAYERS
        if key == name and any(h[n] for h in heights)
    ]
    width = step * len(days)
    size = f'width="{_SCALE * width}" height="{_SCALE * _HEIGHT}"'
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} '
        f'viewBox="0 0 {width} {_HEIGHT}">{"".join(paths)}</svg>'
    )
    return f"![by day](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def _counts(given: Sequence[Statement], day: date) -> Mapping[str, int]:
    of_day = [s for s in given if s.period.first == day and s.side == "source"]
    rows = {
        "matched": ("matched", "matched_in_transit"),
        "timing": ("timing",),
        "breaks": ("breaks",),
    }
    return {
        name: sum(s.rows[row].count for s in of_day for row in parts)
        for name, parts in rows.items()
    }


def _heights(counts: Mapping[str, int], top: int) -> list[int]:
    """Pixels of matched, timing and breaks; what there is can be seen, and all stay inside."""
    heights = [max(count * _HEIGHT // top, _LEAST) if count else 0 for count in counts.values()]
    while sum(heights) > _HEIGHT:
        heights[heights.index(max(heights))] -= 1
    return heights


def _area(tops: Sequence[int], step: int) -> str:
    """The outline of bars standing beside each other; equal neighbours are one step."""
    drawn, at, run = f"M0 {_HEIGHT}", 0, 0
    for top in tops:
        if top != at:
            drawn += (f"h{run}" if run else "") + f"V{_HEIGHT - top}"
            at, run = top, 0
        run += step
    return f"{drawn}h{run}V{_HEIGHT}z"
