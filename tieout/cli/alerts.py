"""`tieout alerts`: what waits for a person now, and who is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click

from tieout.alerts.messages import body, title
from tieout.alerts.notify import notify
from tieout.cli.common import Places, examples, located, read_home, say, write
from tieout.cli.group import FAILED
from tieout.render.layout import count_of


@click.command(epilog=examples("tieout alerts", "tieout alerts --send", "tieout alerts --json"))
@click.option("--send", is_flag=True, help="Tell the targets of the configuration what is due.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@located
def alerts(places: Places, send: bool, as_json: bool) -> None:
    """Show what waits for a person: late documents, dead letters, gaps, bad signatures, lag.

    Each names the invoice, payment or payout and the amount at stake. With --send the targets are
    told what they have not been told yet; the sensors of the pipeline do the same.
    """
    with read_home(places) as workplace:
        done = notify(workplace, datetime.now(UTC), send=send)
        company, targets = workplace.settings.company, len(workplace.settings.alerts.known_targets)
    if as_json:
        write(json.dumps(done.as_json(), indent=2, ensure_ascii=False) + "\n", None)
    else:
        for alert in done.alerts:
            write(f"{title(alert, company)}\n\n{body(alert)}\n", None)
        if not done.alerts:
            write("Nothing waits for a person.\n", None)
    sent = len(done.messages) - done.failed
    if not targets:
        say("No one is told: alerts.targets names no one, or its variables are not set.")
    elif send:
        say(f"{count_of(sent, 'message')} sent, {done.failed:,} failed.")
    else:
        say(f"{count_of(len(done.messages), 'message')} would be sent with --send.")
    if send and done.failed:
        say("  -> what failed is tried again next time; check alerts.targets")
        click.get_current_context().exit(FAILED)
