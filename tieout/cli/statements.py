"""`tieout statement` and `tieout breaks`: what was found, in every form people ask for."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from tieout.breaks import breaks as breaks_of
from tieout.changes.diff import last_change
from tieout.cli.common import (
    PERIOD,
    Places,
    as_known_at,
    examples,
    headed,
    is_terminal,
    located,
    nothing_known,
    pick,
    read_home,
    say,
    write,
)
from tieout.errors import RequestError
from tieout.known import as_json as known_json
from tieout.known import heading as known_heading
from tieout.known import moment_text
from tieout.model import ALL_ENTITIES, BREAK_CLASSES, Break, Statement
from tieout.periods import Period
from tieout.render import breaks as breaks_rendering
from tieout.render import html, markdown, report, text, workbook
from tieout.render.changes import sentence
from tieout.render.layout import count_of, pairs, printable
from tieout.statement import statements, statements_of
from tieout.waterfall import Waterfall, has_waterfalls, of_period
from tieout.workplace import Workplace

FORMATS = ("text", "json", "markdown", "html", "xlsx")
_HEADED = ("text", "markdown")
"""Formats that say at their beginning as of when they are known, where that was asked for."""
_BY_SUFFIX = {
    ".txt": "text",
    ".json": "json",
    ".md": "markdown",
    ".html": "html",
    ".htm": "html",
    ".xlsx": "xlsx",
    ".csv": "csv",
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """Which statements or breaks are wanted."""

    names: list[str]
    period: Period
    entity: str | None
    currency: str | None

    def wants(self, one: Statement | Break | Waterfall) -> bool:
        """Whether a statement, break or waterfall belongs to the entity and currency asked for.

        What a sender states for all entities belongs to each of them.
        """
        return (
            self.entity in (None, one.entity) or one.entity == ALL_ENTITIES
        ) and self.currency in (None, one.currency)


@click.command(
    epilog=examples(
        "tieout statement --period 2026-10",
        "tieout statement settlement_to_ledger --period 2026-10-15 --entity US01",
        "tieout statement --period 2026-10 --output october.html",
        "tieout statement --period 2026-10 --as-known-at 2026-11-05T00:00Z",
    )
)
@click.argument("name", required=False)
@click.option("--period", type=PERIOD, required=True, help="A month (2026-10) or a day.")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), help="[default: text, or by --output]"
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to a file.")
@click.option("--entity", help="Only this entity.")
@click.option("--currency", help="Only this currency.")
@located
@as_known_at
def statement(
    places: Places,
    name: str | None,
    period: Period,
    form: str | None,
    output: Path | None,
    entity: str | None,
    currency: str | None,
) -> None:
    """Print completeness statements, of one reconciliation or of all.

    Both sides of a reconciliation stand beside each other; `unexplained` is 0, or the page says so.
    With --format json stdout is one JSON array with an object for each reconciliation, entity,
    currency and side, always an array; amounts are text. html and xlsx include the
    breaks and the waterfalls.
    """
    form = form or _form_of(output, FORMATS)
    if form == "xlsx" and output is None and is_terminal():
        raise RequestError("a workbook is no text", "name a file, e.g. --output statement.xlsx")
    with read_home(places) as workplace:
        asked = _asked(workplace, name, period, entity, currency)
        found = [
            one
            for each in asked.names
            for one in statements(workplace, each, period)
            if asked.wants(one)
        ]
        heading = known_heading(workplace, asked.names)
        if not found:
            say(headed(nothing_known(workplace, asked.names, period), heading))
        elif heading is not None and form not in _HEADED:
            say(heading)
        if found or form == "json":
            content = _render(workplace, asked, found, form)
            inside = form in _HEADED and isinstance(content, str)
            write(headed(content, heading) if inside else content, output)  # type: ignore[arg-type]


@click.command(
    epilog=examples(
        "tieout breaks --period 2026-10",
        "tieout breaks settlement_to_ledger --period 2026-10 --class fee_variance",
        "tieout breaks --period 2026-10 --output october.csv",
    )
)
@click.argument("name", required=False)
@click.option("--period", type=PERIOD, required=True, help="A month (2026-10) or a day.")
@click.option("--class", "break_class", metavar="CLASS", help="Only this class of breaks.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "csv"]),
    help="[default: text, or by --output]",
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to a file.")
@click.option("--entity", help="Only this entity.")
@click.option("--currency", help="Only this currency.")
@located
@as_known_at
def breaks(
    places: Places,
    name: str | None,
    period: Period,
    break_class: str | None,
    form: str | None,
    output: Path | None,
    entity: str | None,
    currency: str | None,
) -> None:
    """List breaks with their explanations, of one reconciliation or of all.

    JSON is one array. CSV is safe to open in a spreadsheet program: a text cell that would be read
    as a formula gets one apostrophe in front; amounts and dates are never touched.
    """
    form = form or _form_of(output, ("text", "json", "csv"))
    if break_class is not None:
        pick(break_class, BREAK_CLASSES, "break class")
    with read_home(places) as workplace:
        asked = _asked(workplace, name, period, entity, currency)
        found = _breaks(workplace, asked, break_class)
        heading, known = known_heading(workplace, asked.names), known_json(workplace)
        if not found:
            say(headed(_why_no_breaks(workplace, asked, break_class), heading))
        elif heading is not None and form != "text":
            say(heading)
    renderers = {
        "text": lambda: headed(_breaks_text(found), heading),
        "json": lambda: breaks_rendering.as_json(found, known),
        "csv": lambda: breaks_rendering.as_csv(found),
    }
    if found or form != "text":
        write(renderers[form](), output)


def _form_of(output: Path | None, allowed: Sequence[str]) -> str:
    """The format that a file's name asks for; text for no file. Raises RequestError."""
    if output is None:
        return "text"
    form = _BY_SUFFIX.get(output.suffix.lower(), "")
    if form not in allowed:
        raise RequestError(
            f"{output.name!r} does not say which format is wanted",
            f"add --format, one of {', '.join(allowed)}",
        )
    return form


def _asked(
    workplace: Workplace, name: str | None, period: Period, entity: str | None, currency: str | None
) -> _Asked:
    names = pick(name, workplace.settings.reconciliations, "reconciliation")
    if entity is not None:
        pick(entity, workplace.settings.entities, "entity")
    return _Asked(names, period, entity, currency)


def _breaks(workplace: Workplace, asked: _Asked, break_class: str | None = None) -> list[Break]:
    return [
        one
        for each in asked.names
        for one in breaks_of(workplace, each, asked.period, break_class)
        if asked.wants(one)
    ]


def _render(
    workplace: Workplace, asked: _Asked, found: Sequence[Statement], form: str
) -> str | bytes:
    moment = workplace.register.moment
    then = "" if moment is None else f", as known at {moment_text(moment)}"
    if form == "json":
        told = [{**known_json(workplace), **one.as_json()} for one in found]
        return json.dumps(told, indent=2, ensure_ascii=False) + "\n"
    if form == "markdown":
        return markdown.statements(found)
    if form == "xlsx":
        return workbook.workbook(
            found,
            _breaks(workplace, asked),
            _waterfalls(workplace, asked),
            title=f"Completeness statements{then}",
        )
    if form == "html":
        title = f"{workplace.settings.company}: completeness {asked.period}{then}"
        by_day = _by_day(workplace, asked) if asked.period.is_month else []
        return html.report(
            found,
            _breaks(workplace, asked),
            title=title,
            by_day=by_day,
            waterfalls=_waterfalls(workplace, asked),
        )
    shown = text.statements(found) + _versions(workplace, asked)
    if len(pairs(found)) > 1:
        return f"{report.text(found)}\n{report.does_it_hold(found)}\n\n\n{shown}"
    return shown


def _versions(workplace: Workplace, asked: _Asked) -> str:
    """Which version of each statement this is, and what changed since the one before."""
    told = [
        f"{name}: {sentence(*last)}"
        for name in asked.names
        if (last := last_change(workplace, name, asked.period)) is not None
    ]
    lines = [
        line
        for one in told
        for line in textwrap.wrap(printable(one), text.WIDTH, subsequent_indent="  ")
    ]
    return "".join(f"\n{line}" for line in lines) + "\n" if lines else ""


def _waterfalls(workplace: Workplace, asked: _Asked) -> list[Waterfall]:
    return [
        one
        for each in asked.names
        if has_waterfalls(workplace, each)
        for one in of_period(workplace, each, asked.period)
        if asked.wants(one)
    ]


def _by_day(workplace: Workplace, asked: _Asked) -> list[Statement]:
    """The statements of every single day, for the charts."""
    days = [Period(day, day) for day in asked.period.days()]
    return [
        one
        for each in asked.names
        for of_day in statements_of(workplace, each, days).values()
        for one in of_day
        if asked.wants(one)
    ]


def _breaks_text(found: Sequence[Break]) -> str:
    accepted = sum(1 for one in found if one.decision is not None)
    also = f", {accepted:,} of them accepted" if accepted else ""
    return f"{breaks_rendering.text(found)}\n{count_of(len(found), 'break')}{also}\n"


def _why_no_breaks(workplace: Workplace, asked: _Asked, break_class: str | None) -> str:
    """Whether there is nothing wrong, or nothing known."""
    found = [
        one
        for each in asked.names
        for one in statements(workplace, each, asked.period)
        if asked.wants(one)
    ]
    if not found:
        return nothing_known(workplace, asked.names, asked.period)
    lines = sum(one.rows["accepted"].count for one in found)
    kind = f"{break_class} breaks" if break_class else "breaks"
    return f"No {kind} in {asked.period}, among {count_of(lines, 'accepted line')}."
