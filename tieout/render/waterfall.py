"""A waterfall in rows, from the source amount to the target amount: as text and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tieout.model import Figure
from tieout.money import text_amount
from tieout.render import markdown
from tieout.render.layout import aligned, classes_in_order, entity_text, printable
from tieout.waterfall import Waterfall

_ELSEWHERE = {
    "source": "sources elsewhere, matched with these targets",
    "target": "targets elsewhere, matched with these sources",
}
_ACROSS = {
    "converted": "converted, by matches of two currencies",
    "other entity": "answered by another entity",
}
_TOTALS = frozenset({"source", "target", "unexplained"})


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `part` is component, source, residual, elsewhere, converted, timing, break, target
    or unexplained; the steps between source and target lead from the one to the other.
    """

    part: str
    label: str
    figure: Figure

    @property
    def is_total(self) -> bool:
        """Whether it says where the steps have come to, and is no step itself."""
        return self.part in _TOTALS


def rows(one: Waterfall) -> list[Row]:
    """Every row, top to bottom; the last is unexplained."""
    return [*_rows(one)]


def title(one: Waterfall) -> str:
    """`settlement_to_ledger, 2026-10, US01, USD`."""
    entity = entity_text(one.entity)
    return printable(f"{one.reconciliation}, {one.about}, {entity}, {one.currency}")


def text(given: Iterable[Waterfall]) -> str:
    """One block for each entity and currency; ends with a newline."""
    return "\n".join("\n".join(_block(one)) + "\n" for one in given)


def table(one: Waterfall) -> str:
    """The rows of one waterfall as a Markdown table, narrow enough for a column of a page."""
    body = []
    for row in rows(one):
        label = markdown.escaped(row.label)
        amount = text_amount(row.figure.amount, one.currency)
        body.append([f"**{label}**" if row.is_total else label, _count(row), amount])
    return markdown.table(["", "count", "amount"], body, words=1)


def tables(given: Iterable[Waterfall]) -> str:
    """The same of several, each under its title."""
    return "\n".join(f"**{markdown.escaped(title(one))}**\n\n{table(one)}" for one in given)


def unexplained_text(given: Sequence[Waterfall]) -> str:
    """What is left unexplained, of each waterfall that does not come to zero; `0.00` if all do."""
    failing = [
        f"{text_amount(one.unexplained, one.currency)} {one.currency} "
        f"({one.reconciliation}, {one.about}, {one.entity})"
        for one in given
        if one.unexplained
    ]
    return "; ".join(failing) or "0.00"


def by_class(one: Waterfall) -> dict[str, Figure]:
    """What is open, by timing and break class: of a difference, what both sides leave."""
    found: dict[str, Figure] = {}
    for step in one.steps:
        if step.kind in ("open_source", "open_target"):
            found[step.label] = found.get(step.label, Figure()) + step.figure
    order = ["timing", *classes_in_order(name for name in found if name != "timing")]
    return {name: found[name] for name in order if name in found}


def _block(one: Waterfall) -> Iterator[str]:
    yield title(one)
    yield "=" * len(title(one))
    shown = rows(one)
    labels = [
        printable(row.label) if row.is_total else f"  {printable(row.label)}" for row in shown
    ]
    width = max(map(len, labels))
    counts = [_count(row) for row in shown]
    wide = max(map(len, counts))
    amounts = aligned([text_amount(row.figure.amount, one.currency) for row in shown])
    for label, count, amount in zip(labels, counts, amounts, strict=True):
        yield f"{label:<{width}}  {count:>{wide}}  {amount}".rstrip()


def _rows(one: Waterfall) -> Iterator[Row]:
    for step in one.steps:
        if step.kind == "source":
            yield Row("component", step.label, step.figure)
    yield Row("source", "source", one.total("source"))
    for step in one.steps:
        if step.kind == "residual":
            yield Row("residual", f"{step.label}, left by matches", step.figure)
        elif step.kind == "elsewhere":
            yield Row("elsewhere", _ELSEWHERE[step.label], step.figure)
        elif step.kind == "converted":
            yield Row("converted", _ACROSS[step.label], step.figure)
    for label, figure in by_class(one).items():
        yield Row("timing" if label == "timing" else "break", label, figure)
    yield Row("target", "target", one.total("target"))
    yield Row("unexplained", "unexplained", Figure(0, one.unexplained))


def _count(row: Row) -> str:
    return f"{row.figure.count:,}" if row.figure.count else ""
