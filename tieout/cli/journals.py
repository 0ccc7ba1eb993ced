"""`tieout journals`: the journals that would correct the ledger, as a file to import or to read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from tieout.cli.common import (
    PERIOD,
    Places,
    as_known_at,
    examples,
    headed,
    located,
    nothing_known,
    pick,
    read_home,
    say,
    write,
)
from tieout.errors import RequestError
from tieout.journals.model import Proposals
from tieout.journals.propose import proposals
from tieout.known import as_json as known_json
from tieout.known import heading as known_heading
from tieout.periods import Period
from tieout.render import journals as rendering
from tieout.statement import statements

_FORMS = {".csv": "csv", ".json": "json"}


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
@as_known_at
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
    form = "json" if as_json else None
    if output is not None:
        form = _FORMS.get(output.suffix.lower())
        if form is None or (as_json and form != "json"):
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
        names = [reconciliation] if reconciliation else [*workplace.settings.reconciliations]
        heading, known = known_heading(workplace, names), known_json(workplace)
        if not found.breaks and not found.journals:
            there = any(statements(workplace, name, period) for name in names)
            nothing = nothing_known(workplace, names, period)
            none = f"There is nothing to correct in {period}." if there else nothing
            say(headed(none, heading))
    _write(found, form, output, heading, known)


def _write(
    found: Proposals,
    form: str | None,
    output: Path | None,
    heading: str | None,
    known: Mapping[str, object],
) -> None:
    """Write proposals as text, CSV or JSON, with the moment they are known at, if one is asked."""
    if form is None:
        if found.breaks or found.journals:
            write(headed(rendering.text(found), heading), None)
        return
    write(rendering.as_json(found, known) if form == "json" else rendering.as_csv(found), output)
    if output is not None:
        say(headed(rendering.summary(found), heading))
