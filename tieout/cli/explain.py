"""`tieout explain`: from the source amount to the target amount, a label a step."""

from __future__ import annotations

import json

import click

from tieout.cli.common import (
    PERIOD,
    Places,
    as_known_at,
    examples,
    headed,
    located,
    nothing_known,
    read_home,
    say,
    write,
)
from tieout.errors import RequestError
from tieout.known import as_json as known_json
from tieout.known import heading as known_heading
from tieout.lookup import carriers_of
from tieout.periods import Period
from tieout.render import waterfall as rendering
from tieout.waterfall import Waterfall, of_period, of_ref
from tieout.workplace import Workplace


@click.command(
    epilog=examples(
        "tieout explain settlement_to_ledger --period 2026-10",
        "tieout explain 380                # a batch, invoice, payment or line",
        "tieout explain INV-2026-000042 --json",
    )
)
@click.argument("what")
@click.option("--period", type=PERIOD, help="A month or a day, for a whole reconciliation.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@located
@as_known_at
def explain(places: Places, what: str, period: Period | None, as_json: bool) -> None:
    """Explain WHAT to zero: a reconciliation with --period, or a batch, invoice, payment or line.

    Lists what the source amount is made of and every step to the target amount: what is open, by
    its class, what matches leave, what is matched with lines elsewhere. The last line, unexplained,
    is 0.
    """
    with read_home(places) as workplace:
        found = _found(workplace, what, period)
        names = list(dict.fromkeys(one.reconciliation for one in found))
        heading, known = known_heading(workplace, names), known_json(workplace)
        if not found and period is not None:
            say(nothing_known(workplace, [what], period))
        elif not found:
            say(f"No reconciliation has a line of {what!r}; try `tieout line {what}`.")
    if as_json:
        told = [{**known, **one.as_json()} for one in found]
        write(json.dumps(told, indent=2) + "\n", None)
    elif found:
        write(headed(rendering.text(found), heading), None)


def _found(workplace: Workplace, what: str, period: Period | None) -> list[Waterfall]:
    known = workplace.settings.reconciliations
    if what in known:
        if period is None:
            raise RequestError(f"{what} is a whole reconciliation", "name a month or day: --period")
        return of_period(workplace, what, period)
    if period is not None:
        raise RequestError(
            f"no reconciliation {what!r}",
            f"there are {', '.join(known)}; a batch needs no --period",
        )
    lines = carriers_of(workplace, what)
    if not lines:
        return []
    days = [day for _, _, day in lines]
    carriers = [(feed, line_id) for feed, line_id, _ in lines]
    around = Period(min(days), max(days))
    return [
        one
        for name, about in known.items()
        if not about.chain
        for one in of_ref(workplace, name, what, carriers, around)
    ]
