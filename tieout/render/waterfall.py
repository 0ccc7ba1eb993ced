"""A waterfall as text: a step a line, from the source amount to the target amount."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tieout.model import Figure
from tieout.money import text_amount
from tieout.render.layout import aligned, classes_in_order, printable
from tieout.waterfall import Waterfall

_ELSEWHERE = {
    "source": "sources elsewhere, matched with these targets",
    "target": "targets elsewhere, matched with these sources",
}


def text(given: Iterable[Waterfall]) -> str:
    """One block for each entity and currency; ends with a newline."""
    return "\n".join("\n".join(_block(one)) + "\n" for one in given)


def _block(one: Waterfall) -> Iterator[str]:
    title = printable(f"{one.reconciliation}, {one.about}, {one.entity}, {one.currency}")
    yield title
    yield "=" * len(title)
    rows = [*_rows(one)]
    width = max(len(label) for label, _ in rows)
    counts = [f"{figure.count:,}" if figure.count else "" for _, figure in rows]
    wide = max(map(len, counts))
    amounts = aligned([text_amount(figure.amount, one.currency) for _, figure in rows])
    for (label, _), count, amount in zip(rows, counts, amounts, strict=True):
        yield f"{label:<{width}}  {count:>{wide}}  {amount}".rstrip()


def _rows(one: Waterfall) -> Iterator[tuple[str, Figure]]:
    for step in one.steps:
        if step.kind == "source":
            yield f"  {printable(step.label)}", step.figure
    yield "source", one.total("source")
    for step in one.steps:
        if step.kind == "residual":
            yield f"  {step.label} left by matches", step.figure
        elif step.kind == "elsewhere":
            yield f"  {_ELSEWHERE[step.label]}", step.figure
    for label, figure in by_class(one).items():
        yield f"  {label}", figure
    yield "target", one.total("target")
    yield "unexplained", Figure(0, one.unexplained)


def by_class(one: Waterfall) -> dict[str, Figure]:
    """What is open, by timing and break class: of a difference, what both sides leave."""
    found: dict[str, Figure] = {}
    for step in one.steps:
        if step.kind in ("open_source", "open_target"):
            found[step.label] = found.get(step.label, Figure()) + step.figure
    order = ["timing", *classes_in_order(name for name in found if name != "timing")]
    return {name: found[name] for name in order if name in found}
