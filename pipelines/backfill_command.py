"""`tieout backfill`: a long range of days, month by month, that goes on where it was cut off."""

from __future__ import annotations

from datetime import datetime

import click

from pipelines.backfill import backfill as worked
from pipelines.run_command import tell
from tieout.cli.common import DATE, Places, day, examples, located, pick, say
from tieout.cli.progress import progress_bar
from tieout.validation import validated


@click.command(
    epilog=examples(
        "tieout backfill --from 2026-01-01 --to 2026-09-30",
        "tieout backfill --from 2026-07-01 --to 2026-09-30 --reconciliation settlement_to_ledger",
    )
)
@click.option("--from", "first", type=DATE, required=True, help="The first day.")
@click.option("--to", "last", type=DATE, required=True, help="The last day, included.")
@click.option("--reconciliation", metavar="NAME", help="Only this one, its links and its feeds.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as one JSON object.")
@located
def backfill(
    places: Places, first: datetime, last: datetime, reconciliation: str | None, as_json: bool
) -> None:
    """Take in, reconcile and state a long range of days, a month at a time.

    Cut off (even by a kill), the same command goes on behind the months that are done, and works
    what had not been published. Exit codes: 0 done, 1 failed (a step, or a proof that does not
    hold), 2 bad configuration.
    """
    settings = validated(places.config)
    names = pick(reconciliation, settings.reconciliations, "reconciliation")
    with progress_bar("starting") as advance:
        outcome = worked(
            places.config,
            places.home,
            day(first),
            day(last),
            reconciliation=reconciliation,
            progress=advance,
            say=say,
        )
    tell(places, names, (day(first), day(last)), outcome, as_json=as_json)
