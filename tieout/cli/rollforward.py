"""`tieout rollforward`: open items of a period by class, from its opening to its closing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import click

from tieout.cli.common import (
    PERIOD,
    Places,
    as_known_at,
    examples,
    located,
    nothing_known,
    pick,
    read_home,
    say,
)
from tieout.cli.group import FAILED
from tieout.known import heading, moment_text
from tieout.model import AGES, Figure
from tieout.money import text_amount
from tieout.periods import Period
from tieout.render.layout import aligned, printable
from tieout.rollforward import ROLLED, RollForward, roll_forwards


@click.command(
    epilog=examples(
        "tieout rollforward --period 2026-10",
        "tieout rollforward settlement_to_ledger --period 2026-10 --entity DE01 --json",
    )
)
@click.argument("name", required=False)
@click.option("--period", type=PERIOD, required=True, help="A month (2026-10) or a day.")
@click.option("--entity", help="Only this entity.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@located
@as_known_at
def rollforward(
    places: Places, name: str | None, period: Period, entity: str | None, as_json: bool
) -> None:
    """Show by class how open items rolled forward: opening + new + moved - cleared = closing.

    Moved are lines that were open throughout and changed their class. After a locked month the
    opening is what was signed. Below are the ages of what is open at the end. Exit code 1 if a
    class does not add up.
    """
    with read_home(places) as workplace:
        names = pick(name, workplace.settings.reconciliations, "reconciliation")
        if entity is not None:
            pick(entity, workplace.settings.entities, "entity")
        found = [
            one
            for each in names
            for one in roll_forwards(workplace, each, period)
            if entity in (None, one.entity)
        ]
        if then := heading(workplace, names):
            say(then)
        if not found:
            say(nothing_known(workplace, names, period))
    if as_json:
        click.echo(json.dumps([one.as_json() for one in found], indent=2))
    else:
        click.echo("\n".join(_text(one) for one in found), nl=False)
    wrong = [one for one in found if one.unexplained]
    for one in wrong:
        told = ", ".join(one.unexplained)
        say(f"{_title(one)}: {told} does not add up -> run `tieout verify`")
    click.get_current_context().exit(FAILED if wrong else 0)


def _text(one: RollForward) -> str:
    title = _title(one)
    if one.signed_at is not None:
        title += f"; opening as signed at {moment_text(one.signed_at)}"
    moved = any(rolled["moved_in"].count for rolled in one.classes.values())
    columns = [figure for figure in ROLLED if moved or not figure.startswith("moved")]
    totals = {figure: one.total(figure) for figure in columns}
    aged = {name: ages for name, ages in one.ageing.items() if any(f.count for f in ages.values())}
    lines = [printable(title), *_table(one, columns, {**one.classes, "all": totals})]
    if aged:
        lines += ["", *_table(one, AGES, aged, " days")]
    return "\n".join(lines) + "\n"


def _table(
    one: RollForward,
    columns: Sequence[str],
    figures: Mapping[str, Mapping[str, Figure]],
    unit: str = "",
) -> list[str]:
    """A line for each class; every column has lines and amount, aligned."""
    width = max(map(len, figures))
    lines = [" " * width, *(f"{name:<{width}}" for name in figures)]
    for column in columns:
        cells = [part[column] for part in figures.values()]
        counts = [f"{cell.count:,}" if cell.count else "" for cell in cells]
        told = [text_amount(cell.amount, one.currency) if cell.count else "" for cell in cells]
        amounts = aligned(told)
        count_width, amount_width = max(map(len, counts)), max(map(len, amounts))
        head = column.replace("_", " ") + unit
        cell_width = max(len(head), count_width + 1 + amount_width)
        made = [
            f"{c:>{count_width}} {a:>{amount_width}}" for c, a in zip(counts, amounts, strict=True)
        ]
        for n, text in enumerate([head, *made]):
            lines[n] += f"   {text:>{cell_width}}"
    return [f"  {line}".rstrip() for line in lines]


def _title(one: RollForward) -> str:
    return f"{one.reconciliation}, {one.entity}, {one.currency} {one.side}, {one.period}"
