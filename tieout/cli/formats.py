"""`tieout formats`: what Tieout can read, and what each column becomes."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator

import click

from tieout.cli.common import Places, located, pick, write
from tieout.cli.group import Commands
from tieout.formats.catalogue import formats as catalogue
from tieout.formats.models import Format


@click.group(cls=Commands)
def formats() -> None:
    """The formats of extracts that can be read, your own among them."""


@formats.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@located
def list_formats(places: Places, as_json: bool) -> None:
    """Name every format with its kind of lines."""
    known = catalogue(places.settings_if_any())
    if as_json:
        rows = [{"name": f.name, "kind": f.kind, "title": f.title} for f in known.values()]
        write(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", None)
        return
    width = max(map(len, known), default=0)
    for name in sorted(known, key=lambda n: (known[n].kind, n)):
        click.echo(f"{name:<{width}}  {known[name].kind:<10}  {known[name].title}")


@formats.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print the declaration as one JSON object.")
@located
def show_format(places: Places, name: str, as_json: bool) -> None:
    """Say which columns a format reads and what they become."""
    known = catalogue(places.settings_if_any())
    pick(name, known, "format")
    found = known[name]
    if as_json:
        shown = found.model_dump(mode="json", exclude_defaults=True)
        write(json.dumps(shown, indent=2, ensure_ascii=False) + "\n", None)
        return
    write("\n".join(_described(found)) + "\n", None)


def _described(found: Format) -> Iterator[str]:
    yield from [f"{found.name}: {found.title} ({found.kind} lines)", found.documentation]
    yield from (_wrapped(note, "  ") for note in found.notes)
    yield from ["", "Columns read (* must be in the file):"]
    for name, column in found.columns.items():
        mark = "*" if column.required else " "
        headers = " + ".join(column.headers)
        yield f"{mark} {headers}  ({column.type}, as {name})"
        yield _wrapped(column.description, "      ")
    yield from ["", "What they become:", f"  line_id = {found.line_id}"]
    for name, expression in found.row.items():
        yield f"  {name} = {' '.join(expression.split())}"
    for rule in found.lines:
        when = f" when {' '.join(rule.when.split())}" if rule.when else ""
        yield f"  line {'<id>:' + rule.suffix if rule.suffix else '<id>'}{when}"
        for name, expression in rule.columns.items():
            yield f"    {name} = {' '.join(expression.split())}"


def _wrapped(text: str, indent: str) -> str:
    return textwrap.fill(
        " ".join(text.split()), 100, initial_indent=indent, subsequent_indent=indent
    )
