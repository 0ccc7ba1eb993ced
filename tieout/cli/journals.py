"""`tieout journals`: the journals that would correct the ledger, as a file to import or to read."""

from __future__ import annotations

from pathlib import Path

import click

from tieout.cli.common import (
    PERIOD,
    Places,
    examples,
    located,
    nothing_known,
    pick,
    read_home,
    say,
    write,
)
from tieout.errors import RequestError
from tieout.journals.propose import proposals
from tieout.periods import Period
from tieout.render import journals as rendering
from tieout.statement import statements

_FORMS = {".csv": rendering.as_csv, ".json": rendering.as_json}


@click.command(
    epilog=examples(
        "tieout journals --period 2026-10",
        "tieout journals --period 2026-10 --output october-corrections.csv",
        "tieout journals --period 2026-10 --reconciliation settlement_to_ledger --json",
    )
)
@click.option("--period", type=PERIOD, required=True, help="A month (2026-10) or a day.")
@click.option("--reconciliation", help="Only this reconciliation.")
@click.option("--entity", help="Only this entity.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to a file: .csv to import, .json for programs.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@located
def journals(
    places: Places,
    period: Period,
    reconciliation: str | None,
    entity: str | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Propose journals for what accounting can fix; nothing is posted.

    Each is balanced in one entity, currency and day. Its External ID is the same whenever it is
    proposed, so that an import that refuses an id it has books nothing twice. Breaks without a
    proposal are counted below the journals, with the reason.
    """
    form = rendering.as_json if as_json else None
    if output is not None:
        form = _FORMS.get(output.suffix.lower())
        if form is None or (as_json and form is not rendering.as_json):
            raise RequestError(
                f"{output.name!r} does not say which format is wanted",
                "name a file that ends in .csv or .json (with --json in .json)",
            )
    with read_home(places) as workplace:
        if reconciliation is not None:
            pick(reconciliation, workplace.settings.reconciliations, "reconciliation")
        if entity is not None:
            pick(entity, workplace.settings.entities, "entity")
        found = proposals(workplace, period, reconciliation=reconciliation, entity=entity)
        if not found.breaks and not found.journals:
            names = [reconciliation] if reconciliation else [*workplace.settings.reconciliations]
            known = any(statements(workplace, name, period) for name in names)
            nothing = nothing_known(workplace, names, period)
            say(f"There is nothing to correct in {period}." if known else nothing)
    if form is None:
        if found.breaks or found.journals:
            write(rendering.text(found), None)
        return
    write(form(found), output)
    if output is not None:
        say(rendering.summary(found))
