"""`tieout trace`: where an invoice, payment, payout or usage record is, across all systems."""

from __future__ import annotations

import json
from pathlib import Path

import click

from tieout.cli.common import Places, examples, known_span, located, read_home, say, write
from tieout.cli.group import FAILED
from tieout.events.trace import trace as traced
from tieout.render import trace as rendering
from tieout.render.layout import printable


@click.command(
    epilog=examples(
        "tieout trace INV-261005-000012",
        "tieout trace ch_261005000012 --html trace.html",
        "tieout trace po_US261007 --json",
    )
)
@click.argument("ref")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write one page that needs nothing else.",
)
@located
def trace(places: Places, ref: str, as_json: bool, page: Path | None) -> None:
    """Trace REF through all systems: an invoice, payment, payout, usage record or event.

    One time line of events, extract lines, matches, refused rows and what is expected next; it
    ends with what became of it. REF is written as the sender writes it.
    """
    with read_home(places) as workplace:
        found = traced(workplace, ref)
        if found.empty:
            span = known_span(workplace, workplace.settings.reconciliations)
            say(
                f"Nothing is known of {printable(ref)!r}, neither of events nor of lines. {span}\n"
                "  -> write it as the sender does; upper and lower case differ"
            )
        company = workplace.settings.company
    if as_json:
        write(json.dumps(found.as_json(), indent=2, ensure_ascii=False) + "\n", None)
    elif not found.empty and page is None:
        write(rendering.text(found), None)
    if page is not None and not found.empty:
        write(rendering.page(found, company), page)
    if found.empty:
        click.get_current_context().exit(FAILED)
