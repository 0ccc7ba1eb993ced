"""What changed in a statement, as plain text and in a sentence."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from tieout.changes.model import (
    Cause,
    Changes,
    DeliveryChange,
    Diff,
    Happened,
    LineChange,
    RowChange,
)
from tieout.changes.versions import Version
from tieout.known import moment_text
from tieout.model import Figure
from tieout.money import text_amount
from tieout.render.layout import LABELS, aligned, count_of, entity_text, printable

_WIDTH = 100
_INDENT = "    "
_MOST_TOLD = 3
"""Things that happened, named in a sentence."""
_OF_EXTRACTS = ("came", "went", "changed")
_PASSIVE = {
    "matched": "{} matched",
    "matched_in_transit": "{} matched in transit",
    "cleared": "{} cleared",
    "open": "{} open again",
    "not open": "{} no longer open",
    "decided upon": "{} decided upon",
    "compared with another line": "{} compared with another line",
}


def text(one: Diff) -> str:
    """The whole comparison: rows that differ, then every change with its cause."""
    title = printable(f"{one.reconciliation}, {one.period}: {one.before} to {one.after}")
    lines = [*textwrap.wrap(title, _WIDTH), "=" * min(len(title), _WIDTH)]
    for (entity, currency, side), some in groupby(
        one.rows, lambda r: (r.entity, r.currency, r.side)
    ):
        lines += [printable(f"{entity_text(entity)}, {currency}, {side}"), *_table(list(some)), ""]
    for entity in one.locked:
        lines += [f"{entity} is locked: what came since is in `tieout restatement`.", ""]
    if not one.rows:
        lines += ["The statement says what it said.", ""]
    lines += [*_why(one), *_rest(one)]
    return "\n".join(line.rstrip() for line in lines).rstrip() + "\n"


def versions_text(name: str, period: object, found: Sequence[Version]) -> str:
    """One line a version, the last one first."""
    lines = [f"{name}, {period}: {count_of(len(found), 'version')}"]
    before = {one.number: other for one, other in zip(found[1:], found, strict=False)}
    for one in reversed(found):
        was = before.get(one.number)
        figures = [
            _from_to(word, getattr(was, name, None), getattr(one, name))
            for word, name in (("breaks", "breaks"), ("timing", "timing"))
        ]
        days = count_of(len(one.days), "day")
        lines.append(
            printable(
                f"{one.number:>4}  {one.moment.isoformat()}  {days}, {', '.join(figures)}"
                f"  run {one.run_id}"
            )
        )
    return "\n".join(lines) + "\n"


def sentence(version: Version, change: Changes | None) -> str:
    """`version 3 (...); since version 2: 1 invoice line came with billing.csv (...)`."""
    own = (
        f"version {version.number} ({moment_text(version.moment.replace(second=0, microsecond=0))})"
    )
    if change is None:
        return f"{own}, the first one"
    since = f"{own}; since version {change.before.number}: "
    told = [_phrase(one, count) for one, count in _together(change)]
    told += [_of_delivery(one) for one in change.deliveries]
    more = len(told) - _MOST_TOLD
    if more > 0:
        told = [*told[:_MOST_TOLD], f"and {count_of(more, 'more kind')} of change"]
    return since + (", ".join(told) or "no line changed")


def _together(change: Changes) -> list[tuple[Happened, int]]:
    """What happened, first what extracts brought, then what became of lines; the most first."""
    counted: Counter[Happened] = Counter()
    for one, count in change.counted.items():
        counted[_as_told(one)] += count
    return sorted(
        counted.items(),
        key=lambda item: (item[0].what not in _OF_EXTRACTS, -item[1]),
    )


def _as_told(one: Happened) -> Happened:
    """Without a cause that the sentence leaves out: what differs in it alone is told as one."""
    if one.what in _OF_EXTRACTS or one.cause.kind not in ("counterpart", "other"):
        return one
    return replace(one, cause=Cause("other", ""))


def _phrase(one: Happened, count: int) -> str:
    lines = count_of(count, one.noun)
    if one.what in _OF_EXTRACTS:
        if one.cause.kind in ("extract", "correction"):
            return f"{lines} {one.what} with {one.cause.text}"
        return f"{lines} {one.what} ({one.cause.text})"
    because = f" ({one.cause.text})" if one.cause.text else ""
    be = "was" if count == 1 else "were"
    if one.what in _PASSIVE:
        return f"{lines} {_PASSIVE[one.what].format(be)}{because}"
    return f"{lines} became {one.what.replace('_', ' ')}{because}"


def _of_delivery(one: DeliveryChange) -> str:
    what = one.break_class.replace("_", " ")
    return f"{what} of {one.feed} on {one.received_on} {'came' if one.came else 'went'}"


def _from_to(word: str, was: int | None, now: int) -> str:
    return f"{word} {now:,}" if was in (None, now) else f"{word} {was:,} -> {now:,}"


def _table(rows: Sequence[RowChange]) -> list[str]:
    """A line a row: count and amount from, to and the change."""
    labels = [printable(LABELS.get(row.row, row.row)) for row in rows]
    cells: list[list[str]] = []
    for pick in ("was", "now", "change"):
        figures: list[Figure] = [getattr(row, pick) for row in rows]
        cells.append([f"{figure.count:,}" for figure in figures])
        cells.append(
            aligned([text_amount(f.amount, r.currency) for f, r in zip(figures, rows, strict=True)])
        )
    heads = ["from", "", "to", "", "change", ""]
    widths = [max(map(len, [head, *column])) for head, column in zip(heads, cells, strict=True)]
    wide = max(map(len, labels))
    shown = [["", *heads], *([label, *row] for label, *row in zip(labels, *cells, strict=True))]
    return [
        f"  {label:<{wide}}" + "".join(f"  {c:>{w}}" for c, w in zip(row, widths, strict=True))
        for label, *row in shown
    ]


def _why(one: Diff) -> Iterator[str]:
    if not (one.counted or one.deliveries):
        return
    yield from ("why", "---")
    for change in one.lines:
        yield printable(_head(change))
        yield from _indented(change.cause.text + _beside(change))
    if one.left_out:
        yield f"... and {count_of(one.left_out, 'smaller change')}, counted:"
        yield from (
            line
            for happened, count in _together(one)
            for line in _indented(_phrase(happened, count))
        )
    for check in one.deliveries:
        said = printable(f"{_of_delivery(check)}: {check.explanation}")
        yield from textwrap.wrap(said, _WIDTH, subsequent_indent=_INDENT)
        yield from _indented(check.cause.text)
    yield ""


def _head(one: LineChange) -> str:
    def money(amount: object) -> str:
        return "" if amount is None else text_amount(amount, one.currency)  # type: ignore[arg-type]

    amounts = [money(one.was_amount), money(one.amount)]
    if one.change == "outcome" or not all(amounts):
        shown = amounts[1] or amounts[0]
    else:
        shown = " -> ".join(amounts)
    became = one.now or one.was or ""
    if one.was and one.now and one.was != one.now:
        became = f"{one.was} -> {one.now}"
    word = "" if one.change == "outcome" else f"{one.change}, "
    return f"{one.side}  {one.feed}  {one.line_id}  {shown} {one.currency}  {word}{became}"


def _beside(one: LineChange) -> str:
    return f" {one.cause.counterpart}" if one.cause.counterpart else ""


def _rest(one: Diff) -> Iterator[str]:
    for row in one.rows:
        if row.rest != Figure():
            amount = text_amount(row.rest.amount, row.currency)
            yield printable(
                f"! {row.entity}, {row.currency}, {row.side}, {row.row}: "
                f"{count_of(row.rest.count, 'line')}, {amount} {row.currency} of the change, "
                "are of no line"
            )


def _indented(said: str) -> list[str]:
    return textwrap.wrap(
        printable(said), _WIDTH, initial_indent=_INDENT, subsequent_indent="      "
    )
