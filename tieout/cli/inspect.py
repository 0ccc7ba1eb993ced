"""`tieout inspect`: what a file is, how it reads and what would be refused."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import click

from tieout.cli.common import Places, examples, located, say, write
from tieout.cli.group import FAILED
from tieout.inspection import Inspection
from tieout.inspection import inspect as look_at
from tieout.money import text_amount
from tieout.render.layout import aligned, count_of, printable

_MOST_ROWS, _MOST_GROUPS = 10, 20


@click.command(
    epilog=examples(
        "tieout inspect extracts/adyen/settlement_detail_380.csv",
        "tieout inspect extracts/*.csv --json",
    )
)
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; an array of several.")
@located
def inspect(places: Places, files: tuple[Path, ...], as_json: bool) -> None:
    """Say what an extract is and how it reads.

    Nothing is kept. Shown are the format it is recognised as, its rows and sums, every control
    total it can be held against, and the rows that would be refused, with the reason. Where there
    is a configuration, its entities, accounts and own formats count. Exit code 1 when a file cannot
    be read.
    """
    settings = places.settings_if_any()
    found = [look_at(path, settings) for path in files]
    if as_json:
        shown = [one.as_json() for one in found]
        content = shown[0] if len(shown) == 1 else shown
        write(json.dumps(content, indent=2, ensure_ascii=False) + "\n", None)
    else:
        write("\n".join("\n".join(_page(one)) + "\n" for one in found), None)
    if settings is None:
        say(f"There is no {places.config}: entities and accounts were not looked up.")
    if any(one.error for one in found):
        click.get_current_context().exit(FAILED)


def _page(one: Inspection) -> Iterator[str]:
    yield printable(f"{one.file}: {one.bytes:,} bytes, sha256 {one.sha256[:16]}")
    if one.error is not None:
        yield from _wrapped(f"cannot be read: {one.error}")
        return
    yield f"  format      {one.formats[0]} ({one.kind} lines)"
    if len(one.formats) > 1:
        yield f"              it fits {', '.join(one.formats[1:])} too; name one in the feed"
    rows = [f"{count:,} {name.replace('_', ' ')}" for name, count in one.rows.items()]
    yield f"  rows        {', '.join(rows)}"
    if one.first_day:
        yield f"  days        {one.first_day} to {one.last_day}"
    if one.lines:
        yield from ["", "  lines", *_sums(one)]
    yield from ["", "  checks", *_checks(one)]
    if one.quarantined:
        yield from ["", "  rows that would be refused", *_refused(one)]
    if one.notes:
        yield from ["", "  notes", *(line for note in one.notes for line in _wrapped(note))]


def _sums(one: Inspection) -> list[str]:
    """A line a group and currency, the groups with most lines, and a total of each currency."""
    largest = sorted(one.lines, key=lambda s: (-s["count"], s["group"] or "", s["currency"]))
    chosen = {(s["group"], s["currency"]) for s in largest[:_MOST_GROUPS]}
    cells = [
        (str(s["group"] or "-"), s["currency"], s["count"], Decimal(s["amount"]))
        for s in one.lines
        if (s["group"], s["currency"]) in chosen
    ]
    if left := len(one.lines) - len(cells):
        cells.append((f"... and {count_of(left, 'more group')}", "", 0, Decimal(0)))
    for currency in sorted({s["currency"] for s in one.lines}):
        of_it = [s for s in one.lines if s["currency"] == currency]
        total = sum((Decimal(s["amount"]) for s in of_it), Decimal(0))
        cells.append(("total", currency, sum(s["count"] for s in of_it), total))
    amounts = aligned([text_amount(amount, currency or "XXX") for _, currency, _, amount in cells])
    wide = max(len(group) for group, *_ in cells), max(len(f"{c[2]:,}") for c in cells)
    return [
        printable(f"    {group:<{wide[0]}}  {currency}  {count:>{wide[1]},}  {amount}").rstrip()
        if currency
        else f"    {group}"
        for (group, currency, count, _), amount in zip(cells, amounts, strict=True)
    ]


def _checks(one: Inspection) -> Iterator[str]:
    """Failed comparisons one by one; those that hold are counted by their name."""
    if not one.checks:
        yield from _wrapped("none: neither the file nor a manifest beside it states a total")
    held: dict[str, int] = {}
    for check in one.checks:
        if check.get("break_class"):
            said = check.get("explanation", "")
            yield from _wrapped(f"{check['check']}: {check['break_class']}: {said}")
        else:
            held[str(check["check"])] = held.get(str(check["check"]), 0) + 1
    for name, count in held.items():
        yield f"    {name}: {'holds' if count == 1 else f'{count:,} hold'}"


def _refused(one: Inspection) -> Iterator[str]:
    for row in one.quarantined[:_MOST_ROWS]:
        place = f"row {row['row_number']}"
        if row.get("column") and not str(row["message"]).startswith(str(row["column"])):
            place += f", {row['column']}"
        said = f"{place}: {row['reason']}: {row['message']}"
        yield from _wrapped(f"{said} -> {row['remedy']}" if row.get("remedy") else said)
    more = one.rows.get("quarantined", 0) - min(len(one.quarantined), _MOST_ROWS)
    if more > 0:
        yield f"    and {count_of(more, 'more row')}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(printable(text), 100, initial_indent="    ", subsequent_indent="      ")
