"""`tieout restatement`: what a locked month was signed at, and what is known of it now."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from tieout.cli.common import PERIOD, Places, examples, located, pick, read_home, say
from tieout.cli.group import FAILED
from tieout.errors import RequestError
from tieout.model import Figure
from tieout.money import text_amount
from tieout.periods import Period
from tieout.render.layout import count_of, printable
from tieout.restatement import Correction, Restatement, locked_months, restatements

_MOST_SHOWN = 20


@click.command(
    epilog=examples("tieout restatement 2026-10", "tieout restatement 2026-10 --entity DE01 --json")
)
@click.argument("month", type=PERIOD)
@click.option("--entity", help="Only this entity.")
@click.option("--reconciliation", help="Only this reconciliation.")
@click.option("--all", "every", is_flag=True, help="Every correction, not the first ones only.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@located
def restatement(
    places: Places,
    month: Period,
    entity: str | None,
    reconciliation: str | None,
    every: bool,
    as_json: bool,
) -> None:
    """Show what was signed of a locked month, what came since, and what is known now.

    What came since counts in the first month that was open then; the signed statement stays. Exit
    code 1 if what is known now is not what was signed and its corrections together.
    """
    with read_home(places) as workplace:
        names = pick(reconciliation, workplace.settings.reconciliations, "reconciliation")
        entities = [one for one, locked in locked_months(workplace) if locked == month]
        if entity is not None:
            pick(entity, workplace.settings.entities, "entity")
            entities = [one for one in entities if one == entity]
        if not entities:
            whose = f" of {entity}" if entity else ""
            raise RequestError(f"{month}{whose} is not locked", "see `tieout close status`")
        found = [r for e in entities for n in names for r in restatements(workplace, n, e, month)]
    if as_json:
        click.echo(json.dumps([one.as_json() for one in found], indent=2))
    else:
        _print(found, None if every else _MOST_SHOWN)
    wrong = [one for one in found if one.unexplained]
    for one in wrong:
        say(f"{_named(one)}: {text_amount(one.unexplained, one.currency)} is not explained")
    click.get_current_context().exit(FAILED if wrong else 0)


def _print(found: Sequence[Restatement], most: int | None) -> None:
    changed = [one for one in found if one.corrections or one.cleared.count or one.unexplained]
    for one in changed:
        click.echo(f"{_named(one)}, {one.month}")
        rows = [
            ("signed", one.lines_signed),
            ("corrections since", one.corrected),
            ("known now", one.lines_now),
            ("open when signed, cleared since", one.cleared),
        ]
        for label, figure in rows:
            click.echo(_row(label, figure, one.currency))
        for line in one.corrections[:most]:
            click.echo(printable(_line(line, one.currency)))
        if most is not None and len(one.corrections) > most:
            click.echo(f"    and {len(one.corrections) - most:,} more; --all shows them")
        click.echo()
    say(
        f"{count_of(len(changed), 'statement')} of {len(found):,} changed since they were signed."
        if changed
        else "Nothing came since it was signed."
    )


def _row(label: str, figure: Figure, currency: str) -> str:
    return f"  {label:<34}{figure.count:>9,}{text_amount(figure.amount, currency):>18}"


def _line(one: Correction, currency: str) -> str:
    state = one.break_class or one.outcome
    return (
        f"    {one.belongs_to} -> {one.counted_on}  {text_amount(one.amount, currency):>14}  "
        f"{one.feed} {one.line_id}  {state}"
    )


def _named(one: Restatement) -> str:
    return f"{one.reconciliation}, {one.entity}, {one.currency} {one.side}"
