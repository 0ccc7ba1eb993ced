"""`tieout quarantine`: rows that validation refused; listed, shown, let in after a correction."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import click
import polars as pl

from tieout.cli.common import (
    Places,
    as_known_at,
    examples,
    headed,
    located,
    pick,
    read_home,
    say,
    write,
)
from tieout.cli.group import FAILED, Commands
from tieout.known import as_json as known_json
from tieout.known import heading as known_heading
from tieout.lines.quarantine import listing, readmit
from tieout.lines.quarantine import show as one_row
from tieout.money import plain_amount
from tieout.render.layout import count_of, printable

_LONGEST = 300
"""Characters of a message in a list: a hostile cell has a megabyte."""
_MOST_SHOWN = 50


@click.group(cls=Commands)
def quarantine() -> None:
    """Rows refused by validation.

    They are counted in every statement, kept, and let in by `readmit` once the cause is corrected.
    """


@quarantine.command("list", epilog=examples("tieout quarantine list --feed adyen"))
@click.option("--feed", help="Only this feed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array, an object a row.")
@located
@as_known_at
def list_rows(places: Places, feed: str | None, as_json: bool) -> None:
    """List refused rows with their reasons."""
    with read_home(places) as workplace:
        pick(feed, sorted(workplace.settings.feeds), "feed")
        found = listing(workplace, feed)
        heading, known = known_heading(workplace, ()), known_json(workplace)
    if as_json:
        rows = [{**known, **_json(row)} for row in found.iter_rows(named=True)]
        write(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", None)
        return
    if not found.height:
        say(headed("Nothing is in quarantine.", heading))
        return
    write(headed("\n".join(_page(found)) + "\n", heading), None)


@quarantine.command("show", epilog=examples("tieout quarantine show adyen 3f2a91 17"))
@click.argument("feed")
@click.argument("extract")
@click.argument("row", type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@located
def show(places: Places, feed: str, extract: str, row: int, as_json: bool) -> None:
    """Show one refused row as it was received.

    EXTRACT is the beginning of the sha256 that `list` shows, ROW the number of the row in the file.
    """
    with read_home(places) as workplace:
        pick(feed, sorted(workplace.settings.feeds), "feed")
        found = one_row(workplace, feed, extract, row)
    if as_json:
        write(json.dumps(_json(found), indent=2, ensure_ascii=False) + "\n", None)
        return
    write("\n".join(_whole(found)) + "\n", None)


@quarantine.command("readmit", epilog=examples("tieout quarantine readmit --feed adyen"))
@click.option("--feed", help="Only this feed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@located
def let_in(places: Places, feed: str | None, as_json: bool) -> None:
    """Read windows with refused rows again, after a correction.

    Correct the configuration, the format or the file first: rows are never edited here. `tieout
    run` works what was let in through the reconciliations. Exit code 1 when a window cannot be
    read.
    """
    with read_home(places) as workplace:
        pick(feed, sorted(workplace.settings.feeds), "feed")
        before = listing(workplace, feed).height
        reports = readmit(workplace, feed, run_id=f"readmit-{uuid4()}")
        after = listing(workplace, feed).height
    failed = [one for one in reports if one.status == "failed"]
    windows = sorted({one.window[:10] for one in reports})
    if as_json:
        told = {
            "windows": [{"feed": o.feed, "window": o.window, "status": o.status} for o in reports],
            "refused_before": before,
            "refused_after": after,
        }
        click.echo(json.dumps(told, indent=2))
    elif not reports:
        say("Nothing is in quarantine.")
    else:
        click.echo(
            f"{count_of(len(reports), 'window')} read again: {before:,} refused before,"
            f" {after:,} now."
        )
        if after < before:
            say(f"  -> run `tieout run --from {windows[0]} --to {windows[-1]}` to reconcile them")
    for one in failed:
        say(printable(f"failed: {one.feed} {one.window}: {one.error}"))
    if failed:
        click.get_current_context().exit(FAILED)


def _page(found: pl.DataFrame) -> Iterator[str]:
    counts = Counter(zip(found["feed"], found["reason"], strict=True))
    yield count_of(found.height, "refused row")
    for (feed, reason), count in sorted(counts.items()):
        yield printable(f"  {feed}: {reason}: {count:,}")
    yield ""
    for row in found.head(_MOST_SHOWN).iter_rows(named=True):
        yield printable(
            f"{row['feed']}  {row['window']}  {row['extract_sha256'][:12]}  row {row['row_number']}"
            f" of {row['file']}"
        )
        yield from _sentence(row)
    if found.height > _MOST_SHOWN:
        yield f"and {count_of(found.height - _MOST_SHOWN, 'more row')}; --json has all of them"


def _sentence(row: Mapping[str, Any]) -> list[str]:
    named = str(row["message"]).startswith(str(row["column"]))
    column = f"{row['column']}: " if row["column"] and not named else ""
    remedy = f" -> {row['remedy']}" if row["remedy"] else ""
    message = str(row["message"])
    if len(message) > _LONGEST:
        message = f"{message[:_LONGEST]} ... (show has all of it)"
    text = printable(f"{row['reason']}: {column}{message}{remedy}")
    return textwrap.wrap(text, 100, initial_indent="    ", subsequent_indent="      ")


def _whole(row: Mapping[str, Any]) -> Iterator[str]:
    told = _json(row)
    cells = told.pop("row")
    width = max(map(len, told))
    for name, value in told.items():
        if value not in (None, ""):
            yield printable(f"{name:<{width}}  {value}")
    yield from ["", "the row as received"]
    parts = cells if isinstance(cells, dict) else {"row": cells}
    width = max(map(len, parts), default=0)
    for name, value in parts.items():
        yield printable(f"  {name:<{width}}  {'' if value is None else value}")


def _json(row: Mapping[str, Any]) -> dict[str, object]:
    """A refused row as JSON: amounts and days as text, the row as received as an object."""
    shown: dict[str, object] = {}
    for name, value in row.items():
        if isinstance(value, Decimal):
            shown[name] = plain_amount(value, row["currency"])
        else:
            shown[name] = value.isoformat() if isinstance(value, date) else value
    shown["row"] = _cells(str(row["row"]))
    return shown


def _cells(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
