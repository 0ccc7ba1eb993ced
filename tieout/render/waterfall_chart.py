"""Pictures of a waterfall: a bar a row, from the source amount through the steps to the target.

The amounts of the rows are written beside the bars; where the steps are small against the source,
the axis does not begin at zero, and the picture says so.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from decimal import Decimal
from xml.sax.saxutils import escape

from tieout.model import Figure
from tieout.money import text_amount
from tieout.render.chart import picture
from tieout.render.layout import printable
from tieout.render.sparkline import LONGEST
from tieout.render.waterfall import Row, rows, title
from tieout.waterfall import Waterfall

COLOURS = {
    "source": "#3f4a56",
    "target": "#3f4a56",
    "component": "#9aa7b4",
    "residual": "#8a6bb1",
    "elsewhere": "#7fb2d9",
    "converted": "#2f7d5b",
    "timing": "#e3b23c",
    "break": "#b3261e",
    "unexplained": "#b3261e",
}
"""Colour of a bar by the part that its row is of."""
_WIDTH, _TOP, _ROW, _BAR = 720, 30, 20, 13
_BARS, _BARS_END = 310, 600
_SMALL_WIDTH, _SMALL_ROW, _SMALL_BARS = 372, 14, 136
_LEAST = 2
"""Pixels that anything but nothing gets."""
_LONGEST_LABEL, _LONGEST_SMALL = 46, 22
_FAR = 3
"""Zero is left off the axis where it is farther away than this many times what the steps span."""
_MARGIN = Decimal("0.15")
"""Share of the axis before the lowest bar, where it does not begin at zero."""

Span = tuple[Decimal, Decimal]


def chart(one: Waterfall) -> str:
    """The whole picture as SVG text: label, bar and amount of every row."""
    shown = rows(one)
    begin, end, cut = _axis(shown)
    body: list[str] = []
    strokes: dict[str, str] = {}
    for n, (row, span) in enumerate(zip(shown, spans(shown), strict=True)):
        top = _TOP + n * _ROW
        left, width = _place(span, (begin, end), _BARS, _BARS_END, row)
        colour = COLOURS[row.part]
        strokes[colour] = strokes.get(colour, "") + _bar(left, top + 3, width, _BAR)
        weight = ' font-weight="600"' if row.is_total else ""
        amount = text_amount(row.figure.amount, one.currency)
        x = 8 if row.is_total else 18
        body.append(f'<text x="{x}" y="{top + 14}"{weight}>{_label(row.label)}</text>')
        body.append(
            f'<text x="{_WIDTH - 8}" y="{top + 14}" text-anchor="end"{weight}>{amount}</text>'
        )
    height = _TOP + len(shown) * _ROW + 8
    body += [f'<path fill="{colour}" d="{path}"/>' for colour, path in strokes.items()]
    if cut:
        note = "Bars from the left edge are cut off: the axis does not begin at 0."
        body.append(f'<text x="8" y="{height + 8}" font-style="italic">{note}</text>')
        height += 16
    said = "; ".join(f"{r.label} {text_amount(r.figure.amount, one.currency)}" for r in shown)
    return picture(title(one), said, body, height=height, left=8)


def small(one: Waterfall) -> str:
    """The same as a Markdown image of at most LONGEST characters, which Dagster shows in place.

    Where the rows are too many the smallest breaks stand together, and last the components of the
    source; amounts are left to the table beside it.
    """
    given = _brief(one)
    breaks = sum(1 for row in given if row.part == "break")
    tried = (
        _small(one, _folded(given, kept, components=components), named=named)
        for named in (True, False)
        for components in (True, False)
        for kept in range(breaks, -1, -1)
    )
    return next((drawn for drawn in tried if len(drawn) <= LONGEST), "")


def spans(given: Sequence[Row]) -> list[Span]:
    """From where to where each bar reaches, as amounts: a step begins where the last one ended."""
    found: list[Span] = []
    level = Decimal(0)
    for row in given:
        amount = row.figure.amount
        if row.part == "source":
            found.append((Decimal(0), amount))
            level = amount
        elif row.part == "target":
            found.append((Decimal(0), amount))
        else:
            found.append((level, level + amount))
            level += amount
    return found


def _axis(given: Sequence[Row]) -> tuple[Decimal, Decimal, bool]:
    """First and last amount of the axis, and whether zero is not on it."""
    ends = [end for _, end in spans(given)]
    low, high = min(ends), max(ends)
    spread = high - low
    if spread and low > _FAR * spread:
        return low - spread * _MARGIN, high, True
    if spread and -high > _FAR * spread:
        return low, high + spread * _MARGIN, True
    low, high = min(low, Decimal(0)), max(high, Decimal(0))
    return low, high if high > low else low + 1, False


def _place(span: Span, axis: Span, left: int, right: int, row: Row) -> tuple[int, int]:
    """Left edge and width of a bar in pixels."""
    begin, end = axis
    low, high = (min(max(at, begin), end) for at in sorted(span))
    pixels = right - left
    first = round(float((low - begin) / (end - begin)) * pixels)
    last = round(float((high - begin) / (end - begin)) * pixels)
    width = max(last - first, _LEAST) if row.figure.amount else 0
    return left + min(first, pixels - width), width


def _bar(left: int, top: int, width: int, height: int) -> str:
    return f"M{left} {top}h{width}v{height}h-{width}z" if width else ""


def _label(text: str, longest: int = _LONGEST_LABEL) -> str:
    shown = printable(text)
    return escape(shown if len(shown) <= longest else f"{shown[: longest - 1]}…")


def _brief(one: Waterfall) -> list[Row]:
    """The rows with labels of a few letters; what is elsewhere, on either side, is one row."""
    shown: list[Row] = []
    for row in rows(one):
        label = row.label.removesuffix(", left by matches").partition(":")[0]
        if row.part == "elsewhere":
            label = row.part
        label = label.partition(",")[0] if row.part == "converted" else label
        if row.part == "unexplained":
            label = f"unexplained {text_amount(row.figure.amount, one.currency)}"
        if shown and row.part == "elsewhere" == shown[-1].part:
            shown[-1] = Row(row.part, label, shown[-1].figure + row.figure)
        else:
            shown.append(Row(row.part, label, row.figure))
    return shown


def _folded(given: Sequence[Row], kept: int, *, components: bool) -> list[Row]:
    """The rows with only so many breaks, the largest, of their own, and with or without parts."""
    broken = [row for row in given if row.part == "break"]
    own = sorted(broken, key=lambda row: -abs(row.figure.amount))[:kept]
    rest = [row for row in broken if row not in own]
    others = sum((row.figure for row in rest), Figure())
    shown = []
    for row in given:
        if row.part == "target" and rest:
            shown.append(Row("break", "other breaks" if own else "breaks", others))
        if row not in rest and (components or row.part != "component"):
            shown.append(row)
    return shown


def _small(one: Waterfall, given: Sequence[Row], *, named: bool) -> str:
    begin, end, cut = _axis(given)
    left = _SMALL_BARS if named else 0
    strokes: dict[str, str] = {}
    for n, (row, span) in enumerate(zip(given, spans(given), strict=True)):
        x, width = _place(span, (begin, end), left, _SMALL_WIDTH, row)
        colour = COLOURS[row.part]
        strokes[colour] = strokes.get(colour, "") + _bar(x, n * _SMALL_ROW + 2, width, 10)
    size = f'width="{_SMALL_WIDTH}" height="{_SMALL_ROW * len(given)}"'
    font = ' font-family="sans-serif" font-size="11"' if named else ""
    paths = [f'<path fill="{colour}" d="{path}"/>' for colour, path in strokes.items() if path]
    names = [*_names(given, cut=cut)] if named else []
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}{font} style="background:#fff">'
    svg = "".join([head, *names, *paths, "</svg>"])
    said = "".join(c for c in printable(f"{one.entity} {one.currency}") if c not in "[]\\")
    data = base64.b64encode(svg.encode()).decode("ascii")
    return f"![{said} waterfall](data:image/svg+xml;base64,{data})"


def _names(given: Sequence[Row], *, cut: bool) -> Iterator[str]:
    for n, row in enumerate(given):
        label = f"{row.label} (cut)" if cut and row.part in ("source", "target") else row.label
        yield f'<text y="{n * _SMALL_ROW + 11}">{_label(label, _LONGEST_SMALL)}</text>'
