"""Newline-delimited JSON: one object a line; numbers stay the text the sender wrote.

Nested objects are named by their path (`period.start`). Row numbers count lines that hold
something.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO

import polars as pl

from tieout.errors import ExtractError
from tieout.formats.reading import ROW, Batch, Request, Table, TornRow
from tieout.formats.streams import Watched, buffered

_DEEPEST = 8
_LOOK_AHEAD = 1_000
_LONGEST = 4 << 20


def open_ndjson(stream: BinaryIO, name: str, request: Request) -> Table:
    """Open a file of JSON objects. Raises ExtractError: empty, wrong encoding, an array."""
    watched = Watched(stream, name, request.option("encoding", "utf-8"), '"')
    text = buffered(watched)
    lines = _lines(text, name)
    first = list(islice(lines, _LOOK_AHEAD))
    if not first:
        raise ExtractError("the file is empty", "have it sent again", name)
    if first[0][1].lstrip()[:1] == b"[":
        raise ExtractError("it is a JSON array", "write one object a line (NDJSON)", name)
    table = Table(name, _headers(first, request), iter(()))
    table.batches = _batches(first, lines, watched, table, request)
    return table


def _headers(first: list[tuple[int, bytes]], request: Request) -> tuple[str, ...]:
    """Keys of the first objects, and columns that may be left out where they have no value."""
    seen: dict[str, None] = {}
    for _, line in first:
        seen |= dict.fromkeys(_flat(_object(line) or {}))
    there = {h.casefold() for h in seen}
    for column in request.layout.columns.values():
        spellings = {h.casefold() for h in (*column.headers, *column.aliases)}
        if not column.required and not spellings & there:
            seen |= dict.fromkeys(column.headers)
    return tuple({h.casefold(): h for h in reversed(seen)}.values())[::-1]


def _lines(text: Any, name: str) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := text.readline(_LONGEST + 1):
        if len(line) > _LONGEST:
            raise ExtractError("a line is larger than 4 MB", "is this NDJSON?", name)
        if line.strip():
            number += 1
            yield number, line


def _batches(
    first: list[tuple[int, bytes]],
    rest: Iterator[tuple[int, bytes]],
    watched: Watched,
    table: Table,
    request: Request,
) -> Iterator[Batch]:
    pending = first
    while pending:
        yield _batch(pending, table.headers)
        table.last_row = pending[-1][0]
        pending = list(islice(rest, request.limits.batch_rows))
    table.cut = watched.last not in (b"\n", b"\r")


def _batch(lines: list[tuple[int, bytes]], headers: tuple[str, ...]) -> Batch:
    columns: dict[str, list[str | None]] = {h: [] for h in headers}
    numbers: list[int] = []
    torn: list[TornRow] = []
    for number, line in lines:
        document = _object(line)
        if document is None:
            shown = line.decode("utf-8", "replace").strip()[:4_000]
            torn.append(TornRow(number, shown, "the line is no JSON object"))
            continue
        cells = _flat(document)
        numbers.append(number)
        for header, column in columns.items():
            column.append(cells.get(header))
    schema = dict.fromkeys(headers, pl.String())
    frame = pl.DataFrame(columns, schema=schema).with_columns(
        pl.Series(ROW, numbers, dtype=pl.Int64)
    )
    return Batch(frame, tuple(torn))


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _flat(document: dict[str, Any], path: str = "", depth: int = 0) -> dict[str, str | None]:
    cells: dict[str, str | None] = {}
    for key, value in document.items():
        name = f"{path}{key}"
        if isinstance(value, dict) and depth < _DEEPEST:
            cells |= _flat(value, f"{name}.", depth + 1)
        elif value is None or isinstance(value, str):
            cells[name] = value
        elif isinstance(value, bool):
            cells[name] = "true" if value else "false"
        else:
            cells[name] = json.dumps(value, ensure_ascii=False)
    return cells
