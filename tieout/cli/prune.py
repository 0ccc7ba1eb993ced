"""`tieout prune`: take away the files of versions that the configuration keeps no longer."""

from __future__ import annotations

import json

import click

from tieout.cli.common import Places, examples, located, read_home, say
from tieout.prune import prune_versions
from tieout.render.layout import count_of


@click.command(epilog=examples("tieout prune --dry-run", "tieout prune"))
@click.option("--dry-run", is_flag=True, help="Only say what it would be.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@located
def prune(places: Places, dry_run: bool, as_json: bool) -> None:
    """Take away the files of versions that newer ones replaced long ago.

    `retention` of the configuration says how long ago; without it everything is kept. The newest
    versions stay, evidence stays, and of closed months everything does for retention.closed_years.
    Moments of which not all is kept can no longer be asked about with --as-known-at.
    """
    with read_home(places) as workplace:
        found = prune_versions(workplace, dry_run=dry_run)
        keeps_all = workplace.settings.retention.superseded_days is None
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
    if found.finished:
        say(f"Finished what was cut off: {count_of(found.finished, 'version')}.")
    if keeps_all:
        say("Everything is kept -> set retention.superseded_days to keep less.")
        return
    what = f"{count_of(found.versions, 'version')}, {found.size / 1e6:,.1f} MB"
    say(
        f"{'Would take' if dry_run else 'Took'} {what} away, replaced before "
        f"{found.superseded_before:%Y-%m-%d %H:%M} UTC."
    )
