"""`tieout live`: what the senders told, what the batch should find by when, and what waits."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from tieout.cli.common import Places, examples, located
from tieout.events.live import DAYS, summary
from tieout.timetable import shown_in

EVERY_SECONDS = 2


@click.command(epilog=examples("tieout live --watch", "tieout live --days 7 --json"))
@click.option("--days", default=DAYS, show_default=True, type=click.IntRange(1, 3660))
@click.option("--json", "as_json", is_flag=True, help="Print JSON: one object, one each time.")
@click.option("--watch", is_flag=True, help=f"Print it anew every {EVERY_SECONDS} s, until Ctrl-C.")
@located
def live(places: Places, days: int, as_json: bool, watch: bool) -> None:
    """Print the live state: what senders told. It is accounting truth once the batch has met it."""
    with places.open() as workplace:
        while True:
            told = summary(workplace.register, workplace.settings, datetime.now(UTC), days)
            if watch and not as_json:
                click.clear()  # nothing where the output is no terminal
            zone = workplace.settings.timezone
            page = json.dumps(told, indent=None if watch else 2) if as_json else _page(told, zone)
            click.echo(page)
            if not watch:
                return
            time.sleep(EVERY_SECONDS)


def _page(told: Mapping[str, Any], zone: str) -> str:
    return "\n".join(_lines(told, zone))


def _lines(told: Mapping[str, Any], zone: str) -> Iterable[str]:
    inbox = told["inbox"]
    yield f"{told['company']}, live as of {shown_in(zone, datetime.fromisoformat(told['as_of']))}"
    yield ""
    yield f"events applied     {inbox['applied_through']:,} of {inbox['newest_sequence']:,}"
    if inbox["waiting"]:
        yield f"waiting            {inbox['waiting']:,}, for {inbox['oldest_waiting_seconds']:,} s"
    if inbox["conflicts"]:
        yield f"conflicts          {inbox['conflicts']:,}: tieout events conflicts"
    for one in told["dead_letters"]:
        told_of = f"{one['events']:,} {one['code']} of {one['feed']}"
        yield f"dead letters       {told_of}: tieout events dead"
    yield from _table(
        f"What the senders told in {told['days']} days",
        ("entity", "what", "state", "currency", "count", "amount"),
        [
            (
                s["entity"],
                s["kind"],
                s["state"],
                s["currency"] or "",
                f"{s['count']:,}",
                s["amount"] if s["currency"] else "",
            )
            for s in told["subjects"]
        ],
    )
    yield from _table(
        "What the batch should find",
        (
            "entity",
            "of",
            "awaited",
            "currency",
            "open",
            "amount",
            "overdue",
            "amount",
            "met",
            "oldest due",
        ),
        [
            (
                e["entity"],
                e["kind"],
                e["what"].replace("_", " "),
                e["currency"],
                f"{e['open']['count']:,}",
                e["open"]["amount"],
                f"{e['overdue']['count']:,}",
                e["overdue"]["amount"],
                f"{e['met']['count']:,}",
                (e["oldest_due"] or "")[:16],
            )
            for e in told["expectations"]
        ],
    )
    yield from _table(
        "Overdue, the oldest first",
        ("ref", "awaited", "since", "amount", "currency"),
        [
            (
                o["ref"],
                o["what"].replace("_", " "),
                o["due"][:16],
                o["amount"] or "",
                o["currency"] or "",
            )
            for o in told["overdue"]
        ],
    )


_NUMBERS = ("count", "open", "overdue", "met", "amount")


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterable[str]:
    if not rows:
        return
    widths = [max(len(row[n]) for row in [head, *rows]) for n in range(len(head))]
    numbers = {n for n, name in enumerate(head) if name in _NUMBERS}
    yield ""
    yield title
    for row in [head, *rows]:
        cells = (
            c.rjust(w) if n in numbers else c.ljust(w)
            for n, (c, w) in enumerate(zip(row, widths, strict=True))
        )
        yield "  " + "  ".join(cells).rstrip()
