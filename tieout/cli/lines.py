"""`tieout line`: everything known of one line, invoice, payment, batch or journal."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby

import click

from tieout.changes.history import LineState, history
from tieout.cli.common import (
    Places,
    as_known_at,
    examples,
    headed,
    known_span,
    located,
    read_home,
    say,
    write,
)
from tieout.cli.group import FAILED
from tieout.found import DeliveryCheck, FoundLine, LookupResult, RefusedRow
from tieout.known import as_json as known_json
from tieout.known import heading as known_heading
from tieout.known import moment_text
from tieout.lookup import find
from tieout.money import text_amount
from tieout.render.layout import count_of, printable
from tieout.workplace import Workplace


@click.command(
    epilog=examples("tieout line 8816194829190754", "tieout line INV-2026-000042 --json")
)
@click.argument("ref")
@click.option("--history", "past", is_flag=True, help="How the lines changed, a row a change.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@located
@as_known_at
def line(places: Places, ref: str, past: bool, as_json: bool) -> None:
    """Show everything known of REF: a line, invoice, payment, batch or journal.

    REF is written as the sender writes it. Found are the lines of every system that carry it, what
    became of them in each reconciliation, the lines they were matched with, rows that were refused,
    and what was proven of the batch. With --history: since when each line and what became of it
    were as they are or were, by which run, with the extract's file and row.
    """
    with read_home(places) as workplace:
        if past:
            _show_history(workplace, ref, as_json=as_json)
            return
        found = find(workplace, ref)
        names = [*workplace.settings.reconciliations]
        heading, known = known_heading(workplace, names), known_json(workplace)
        if found.empty:
            span = known_span(workplace, names)
            say(
                f"Nothing is known of {printable(ref)!r}. {span}\n"
                "  -> write it as the sender does; upper and lower case differ"
            )
    if as_json:
        told = {**known, **found.as_json()}
        write(json.dumps(told, indent=2, ensure_ascii=False) + "\n", None)
    elif not found.empty:
        write(headed("\n".join(_page(found)) + "\n", heading), None)
    if found.empty:
        click.get_current_context().exit(FAILED)


def _show_history(workplace: Workplace, ref: str, *, as_json: bool) -> None:
    """Print how lines changed; --json gives an array of states."""
    found = history(workplace, ref)
    heading = known_heading(workplace, ())
    if as_json:
        known = known_json(workplace)
        told = [{**known, **one.as_json()} for one in found]
        write(json.dumps(told, indent=2, ensure_ascii=False) + "\n", None)
    elif found:
        write(headed("\n".join(_past(found)) + "\n", heading), None)
    if not found:
        say(f"No line has ever carried {printable(ref)!r}.")
        click.get_current_context().exit(FAILED)


def _past(found: Sequence[LineState]) -> Iterator[str]:
    """The states of each delivery of a line below its name."""
    for (feed, line_id, window), some in groupby(found, lambda s: (s.feed, s.line_id, s.window)):
        yield printable(f"{feed}  {line_id}  delivered for {window}")
        for one in some:
            yield printable(f"  {moment_text(one.known_from)}  {_state(one)}  (run {one.run_id})")


def _state(one: LineState) -> str:
    if one.amount is None:
        return "no longer delivered"
    place = f"row {one.row_number} of {one.file or (one.extract_sha256 or '')[:8]}"
    said = f"{text_amount(one.amount, str(one.currency))} {one.currency}, {one.period}, {place}"
    if one.reconciliation is None:
        return f"{said}: not worked in yet"
    became = one.outcome if one.outcome != "open" else f"open, {one.break_class} from {one.due_on}"
    how = f" by {one.rule}" if one.rule and one.outcome == "matched" else ""
    other = f" with {one.counterpart}" if one.counterpart and one.outcome == "matched" else ""
    by = f", decision {one.decision}" if one.decision is not None else ""
    return f"{said}; {one.reconciliation}: {became}{how}{other}{by}"


def _page(found: LookupResult) -> Iterator[str]:
    asked = [one for one in found.lines if one.found_as == "asked"]
    joined = [one for one in found.lines if one.found_as == "matched"]
    title = f"{count_of(len(asked) + found.left_out, 'line')} with {found.ref}"
    parts = [
        (title, map(_line, asked), found.left_out),
        ("matched with", map(_line, joined), found.matched_left_out),
        ("refused (tieout quarantine show has the whole row)", map(_refused, found.refused), 0),
        ("checks of the delivery", map(_delivery, found.deliveries), 0),
    ]
    first = True
    for title, entries, left_out in parts:
        shown = [row for entry in entries for row in entry]
        if shown:
            yield from [*([] if first else [""]), printable(title), "-" * len(printable(title))]
            yield from shown
            first = False
        if left_out:
            yield f"... and {count_of(left_out, 'more line')}"


def _line(one: FoundLine) -> Iterator[str]:
    amount = f"{text_amount(one.amount, one.currency)} {one.currency}"
    yield printable(f"{one.feed}  {one.line_id}  {one.entity}  {amount}  {one.period}")
    yield printable(f"    {one.kind} line, row {one.row_number} of {one.file}")
    details = ", ".join(f"{name} {value}" for name, value in one.details.items())
    yield from _indented(details)
    for outcome in one.outcomes:
        word = outcome.break_class or outcome.outcome
        yield from _indented(f"{outcome.reconciliation}: {word}: {outcome.explanation}")
    if not one.outcomes:
        yield "    takes part in no reconciliation"


def _refused(one: RefusedRow) -> Iterator[str]:
    yield printable(f"{one.feed}  row {one.row_number} of {one.file}  {one.received_on}")
    yield from _indented(f"{one.reason}: {one.message}")
    yield from _indented(f"-> {one.remedy}")


def _delivery(one: DeliveryCheck) -> Iterator[str]:
    yield printable(f"{one.feed}  {one.received_on}  {one.check}: {one.break_class or 'holds'}")
    if one.explanation:
        yield from _indented(one.explanation)


def _indented(text: str) -> list[str]:
    return textwrap.wrap(printable(text), 100, initial_indent="    ", subsequent_indent="      ")
