"""`tieout dev`: the Dagster UI over what the command line has run, on this machine only."""

from __future__ import annotations

import click

from pipelines.servers import serve
from tieout.cli.common import Places, examples, located, say
from tieout.validation import validated


@click.command(epilog=examples("tieout dev", "tieout dev --port 3001"))
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True)
@located
def dev(places: Places, port: int) -> None:
    """Open the Dagster UI on 127.0.0.1.

    It shows what `tieout run` and `tieout demo` have done with the same --home, and runs what you
    start there. It has no login: it never listens on another address.
    """
    validated(places.config)
    say(f"Dagster on http://127.0.0.1:{port} in a few seconds; Ctrl+C ends it")
    click.get_current_context().exit(serve(places.config, places.home, port=port))
