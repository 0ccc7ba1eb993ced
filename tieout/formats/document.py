"""Writes docs/formats.md from the declarations: `python -m tieout.formats.document`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tieout.formats.catalogue import formats
from tieout.formats.document_webhooks import section
from tieout.formats.mapping import GIVEN
from tieout.formats.models import Column, Format
from tieout.lines.columns import columns

PAGE = Path(__file__).resolve().parents[2] / "docs" / "formats.md"
_KINDS = ("settlement", "usage", "invoice", "ledger", "event")

_OPENING = """\
# Formats

<!-- Written by `python -m tieout.formats.document` from tieout/formats/definitions: change those.
-->

How each outside system writes its extracts, and where every canonical column comes from. A feed
names its format in `tieout.yaml`; `tieout inspect FILE` says which one a file is.

## What holds for all of them

- **Files**: plain, gz or zip (one archive deep, bounded by `limits`); a name ending in `.tsv` has
  tabs, one ending in `.ndjson` or `.jsonl` an object a line, Parquet is known by its content.
- **Columns** are found by name, in any order, in upper or lower case. A missing required column
  stops the extract with what was expected and what was found. A new column is noted; its content
  stays in the extract as received.
- **Amounts** are plain decimals with at most 18 digits before and 12 after the point. An exponent,
  NaN, Infinity or a digit too many sends the row to quarantine; nothing is rounded.
- **Dates** must lie between a year before `calendar.start` and a year after the day the extract was
  delivered for. Moments become UTC; abbreviations such as CET and PDT have one fixed offset.
- **Rows** with too few or too many cells go to quarantine as `torn_row`. Empty cells too many at
  the end do not count where the header, or every row, has as many of them. Row numbers count from
  the top of the file, the header included; the files of a zip, in order of their names, are
  numbered on, and a refused row names its file.
- **Ids** are 1 to 128 letters, digits and `_ . : -`. Further lines of a row add a suffix to its id:
  `<id>:fee`, `<id>:tax`. A row that does not foot gives a line `<id>:out_of_balance` with the
  difference.
- **Control totals** beside a file, as `<file>.manifest.json`: `{"rows": 12, "totals": {"USD":
  "123.45"}, "by_entity": {"ACME": {"USD": "123.45"}}, "sha256": "..."}`. Each key may be left out;
  another key, and an entity that is not known, stop the extract. The totals add up the
  control amount named with each format, over all rows of the file.
- **Options** of a feed: `encoding`, `delimiter`, `decimal`, `thousands`, `zone` (of timestamps
  whose rows state none), `column.NAME` (another header for a column) and `format.NAME` (another
  way of writing a date), NAME being the format's own column name, in the first column of its table.

A format of your own is one YAML file in the folder that `formats` in `tieout.yaml` names; copy one
from `tieout/formats/definitions`. Expressions are SQL over the format's column names, after the
cells have been typed; `slug(column)` makes an id of free text and `digest(column)` a fingerprint
of it. Everything is read as it is written (`on` and `no` are words); YAML's aliases are not read.
"""


def page() -> str:
    """The whole page."""
    known = sorted(formats().values(), key=lambda f: (_KINDS.index(f.kind), f.name))
    index = [f"- [{f.title}](#{_anchor(f)}) (`{f.name}`, {f.kind})" for f in known]
    parts = [_OPENING, "## The formats\n", "\n".join(index) + "\n"]
    sections = [section(f) if f.webhook else _section(f) for f in known]
    return "\n".join([*parts, *("\n".join(one) for one in sections)])


def _anchor(layout: Format) -> str:
    kept = "".join(c for c in layout.title.lower() if c.isalnum() or c in " -")
    return kept.replace(" ", "-")


def _section(layout: Format) -> Iterator[str]:
    yield f"## {layout.title}\n"
    yield f"`{layout.name}`, {layout.kind} lines. The sender's documentation: "
    yield f"{layout.documentation}\n"
    yield from (f"- {note}" for note in layout.notes)
    yield f"- {_reader(layout)}"
    yield from (f"- {control}" for control in _controls(layout))
    yield "\n| name | header | type | required | what it is |\n|---|---|---|---|---|"
    for name, column in layout.columns.items():
        required = "every row" if column.filled else "yes" if column.required else ""
        cells = (name, _headers(column), _type(column), required, _escaped(column.description))
        yield f"| {' | '.join(cells)} |"
    yield from _values(layout)
    yield "\nWhere the canonical columns come from:\n\n| line | column | from |\n|---|---|---|"
    yield from _provenance(layout)
    if layout.query:
        yield f"\nThe query:\n\n```sql\n{layout.query.rstrip()}\n```"
    yield ""


def _reader(layout: Format) -> str:
    reader = layout.reader
    words = [f"Read as {reader.type}"]
    if reader.type in ("csv", "sections"):
        words.append(f"cells separated by `{reader.delimiter}`")
    if reader.thousands:
        words.append(f"`{reader.thousands}` between thousands")
    if reader.decimal != ".":
        words.append(f"decimals after `{reader.decimal}`")
    if reader.nulls:
        words.append(f"{' '.join(f'`{n}`' for n in reader.nulls)} for no value")
    if reader.ends_with_line_break:
        words.append("a last row without a line break counts as cut off")
    return ", ".join(words) + "."


def _controls(layout: Format) -> Iterator[str]:
    yield f"Control amount of a row: {_code(layout.control_amount)}."
    if layout.foots_to:
        yield f"A row's lines must sum to {_code(layout.foots_to)}."
    for check in layout.checks:
        when = f", where {_code(check.when)}" if check.when else ""
        yield f"{check.stated_as.capitalize()} must be {check.found_as}{when}."
    batch, balance, numbers = (
        layout.controls.batch,
        layout.controls.running_balance,
        layout.controls.sequence,
    )
    if batch:
        yield f"Rows with the same {_code(batch.ref)} must sum to zero, the payout included."
    if balance:
        yield f"{_code(balance.balance)} is the running balance of each {_code(balance.currency)}."
    if numbers:
        yield f"{_code(numbers.number)} goes up by one for each {_code(numbers.account)}."
    for word, when in layout.skip.items():
        yield f"Counted as `{word}` and no line: rows where {_code(when)}."


def _headers(column: Column) -> str:
    shown = " + ".join(f"`{h}`" for h in column.headers)
    return _escaped(shown + "".join(f" or `{a}`" for a in column.aliases))


def _type(column: Column) -> str:
    zone = f", zone in {column.zone_column}" if column.zone_column else ""
    unit = f", in minor units of {column.minor_units}" if column.minor_units else ""
    shapes = " or ".join(f"`{f}`" for f in column.formats)
    return _escaped(" ".join(filter(None, [column.type + zone + unit, shapes])))


def _values(layout: Format) -> Iterator[str]:
    for name, column in layout.columns.items():
        if not column.values:
            continue
        words: dict[str, list[str]] = {}
        for theirs, ours in column.values.items():
            words.setdefault(ours, []).append(theirs)
        pairs = "; ".join(f"{ours}: {', '.join(theirs)}" for ours, theirs in words.items())
        rest = f"anything else is {column.otherwise}" if column.otherwise else "others are refused"
        yield f"\n`{name}` has our words for the sender's: {pairs}; {rest}."


def _provenance(layout: Format) -> Iterator[str]:
    for name, expression in layout.derive.items():
        yield f"| (derived) | {name} | {_code(expression)} |"
    yield f"| all | line_id | {_code(layout.line_id)} |"
    for column in columns(layout.kind):
        if column in layout.row:
            yield f"| all | {column} | {_code(layout.row[column])} |"
    for rule in layout.lines:
        line = f"`<id>:{rule.suffix}`" if rule.suffix else "`<id>`"
        when = f" when {_code(rule.when)}" if rule.when else ""
        for column, expression in rule.columns.items():
            yield f"| {line}{when} | {column} | {_code(expression)} |"
    mapped = {*layout.row, *(c for r in layout.lines for c in r.columns), *GIVEN}
    if "entity" not in mapped:
        yield "| all | entity | the feed's entity |"
    if layout.kind == "ledger":
        yield "| all | account_class | the account map of tieout.yaml, else `unmapped` |"
    empty = [c for c in columns(layout.kind) if c not in mapped and c != "entity"]
    if empty:
        yield f"| all | {', '.join(empty)} | not stated by this format: NULL |"


def _code(expression: str) -> str:
    return f"`{_escaped(' '.join(expression.split()))}`"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    """Write the page."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
