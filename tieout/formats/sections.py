"""Files of several record types: headers, rows, trailers with control totals, in one another's
company.

The first cell of every row names its type. A trailer closes the file, or the section before it, and
states how many rows there were and what they sum to; a file that ends without one was cut off.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain, islice
from typing import BinaryIO

import polars as pl

from tieout.errors import ExtractError, TieoutError
from tieout.formats.models import RecordTypes, Trailer
from tieout.formats.reading import ROW, Batch, Request, StatedTotal, Table, TornRow, unique
from tieout.formats.streams import Watched, buffered
from tieout.formats.trailing import REMEDY, filled, named, surplus
from tieout.money import exact, minor_units

_LONGEST_SHOWN = 4_000
_LOOK_AHEAD = 200


@dataclass
class _State:
    """Where the reading is: the columns in force, and the rows since the last trailer."""

    headers: tuple[str, ...]
    surplus: int = 0
    """Empty cells that every row has after the named columns."""
    rows: list[list[str]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    torn: list[TornRow] = field(default_factory=list)
    in_file: int = 0
    seen: dict[str, int] = field(default_factory=dict)
    """Trailers of each record type so far."""
    since: dict[str, int] = field(default_factory=dict)
    """Rows of the body since the last trailer of each record type."""
    closed_at: dict[str, int] = field(default_factory=dict)
    """Row number of the last trailer of each record type."""

    def count(self, records: RecordTypes) -> None:
        """One more row of the body."""
        self.in_file += 1
        for trailer in records.trailers:
            self.since[trailer.record] = self.since.get(trailer.record, 0) + 1


def open_sections(stream: BinaryIO, name: str, request: Request) -> Table:
    """Open a file of record types. Raises ExtractError: empty, no header record, unknown
    records.
    """
    reader = request.layout.reader
    records = reader.records
    assert records is not None
    watched = Watched(stream, name, request.option("encoding", reader.encoding), reader.quote)
    text = io.TextIOWrapper(buffered(watched), encoding="utf-8", newline="")
    delimiter = request.option("delimiter", reader.delimiter).replace("\\t", "\t")
    lines = enumerate(csv.reader(text, delimiter=delimiter, quotechar=reader.quote), 1)
    try:
        above, header = _columns(lines, records, name)
        ahead = [*above, *islice(lines, _LOOK_AHEAD)]
    except csv.Error as problem:
        raise _uncuttable(problem, name) from None
    if records.positions:
        _assert_of_these(ahead, records, name)
    body = (cells for _, cells in ahead if cells and cells[0].strip() in records.body)
    over = surplus(header, body, delimiter)
    table = Table(name, unique(header[: named(header)]), iter(()))
    state = _State(table.headers, over)
    table.batches = _batches(chain(ahead, lines), state, watched, table, request)
    return table


def _assert_of_these(
    ahead: Sequence[tuple[int, list[str]]], records: RecordTypes, name: str
) -> None:
    """Columns that the format names itself are in any file; its record types are not."""
    known = {*records.body, *records.ignore, *(t.record for t in records.trailers)}
    if ahead and not any(cells and cells[0].strip() in known for _, cells in ahead):
        raise ExtractError(
            f"no row begins with a record type of the format ({', '.join(sorted(known))})",
            "is this the right file?",
            name,
        )


def _columns(
    lines: Iterator[tuple[int, list[str]]], records: RecordTypes, name: str
) -> tuple[list[tuple[int, list[str]]], list[str]]:
    """The columns of the body, and the records read to find them."""
    if records.positions:
        return [], list(records.positions)
    above: list[tuple[int, list[str]]] = []
    for number, cells in lines:
        if not any(cells):
            continue
        if cells[0].strip() == records.header_row:
            return above, cells
        above.append((number, cells))
        if len(above) > 200:
            break
    if not above:
        raise ExtractError("the file is empty", "have it sent again", name)
    raise ExtractError(
        f"no {records.header_row} record names the columns", "is this the right file?", name
    )


def _batches(
    lines: Iterator[tuple[int, list[str]]],
    state: _State,
    watched: Watched,
    table: Table,
    request: Request,
) -> Iterator[Batch]:
    records = request.layout.reader.records
    assert records is not None
    try:
        for number, cells in lines:
            _sort_out(number, cells, records, state, table)
            if len(state.rows) + len(state.torn) >= request.limits.batch_rows:
                yield _batch(state)
    except csv.Error as problem:
        raise _uncuttable(problem, table.name) from None
    yield _batch(state)
    table.cut = watched.last not in (b"\n", b"\r")
    for trailer in records.trailers:
        if trailer.record not in state.seen or state.since.get(trailer.record):
            raise ExtractError(
                f"the file does not end with a {trailer.record} record: it was cut off",
                "have it sent again",
                table.name,
            )


def _uncuttable(problem: csv.Error, name: str) -> ExtractError:
    return ExtractError(f"the file cannot be cut into cells: {problem}", "have it sent again", name)


def _sort_out(
    number: int, cells: list[str], records: RecordTypes, state: _State, table: Table
) -> None:
    """Put one record where it belongs."""
    table.last_row = number
    if not any(c.strip() for c in cells):
        return
    kind = cells[0].strip()
    if kind in records.body:
        state.count(records)
        _add_row(number, cells, state)
    elif trailer := next((t for t in records.trailers if t.record == kind), None):
        _close(number, cells, trailer, state, table)
    elif kind == records.header_row:
        if unique(cells[: named(cells)]) != state.headers:
            raise ExtractError(
                f"row {number} names other columns than the first {kind} record",
                "have the sections sent as files of their own",
                table.name,
            )
    elif kind not in records.ignore:
        state.count(records)
        text = ",".join(cells)[:_LONGEST_SHOWN]
        state.torn.append(TornRow(number, text, f"no record type {kind!r} is known"))


def _add_row(number: int, cells: list[str], state: _State) -> None:
    own = len(state.headers)
    wanted = own + state.surplus
    if len(cells) != wanted or filled(cells, own):
        text = ",".join(cells)[:_LONGEST_SHOWN]
        message = f"the row has {len(cells)} cells, {wanted} are expected"
        if len(cells) == wanted:
            message = f"the row goes on after the {own} named columns; all others end there"
        remedy = [REMEDY] if len(cells) >= wanted else []
        state.torn.append(TornRow(number, text, message, *remedy))
        return
    state.rows.append(cells[:own])
    state.numbers.append(number)


def _close(number: int, cells: list[str], trailer: Trailer, state: _State, table: Table) -> None:
    """Note what a trailer states, beside what was found."""
    kind, section = trailer.record, trailer.scope == "section"
    state.seen[kind] = state.seen.get(kind, 0) + 1
    found = state.since.get(kind, 0) if section else state.in_file
    ref = f"{kind} {state.seen[kind]}" if section else kind
    try:
        rows = _cell(cells, trailer.count)
        stated = StatedTotal(
            ref,
            int(exact(rows)) if rows else None,
            found,
            _amount(cells, trailer),
            _cell(cells, trailer.currency),
            state.closed_at.get(kind, 0) if section else 0,
            number if section else None,
        )
    except (TieoutError, ValueError) as problem:
        raise ExtractError(
            f"the {ref} record cannot be read: {problem}", where=table.name
        ) from None
    state.since[kind], state.closed_at[kind] = 0, number
    table.stated.append(stated)


def _amount(cells: Sequence[str], trailer: Trailer) -> Decimal | None:
    text = _cell(cells, trailer.total)
    if text is None:
        return None
    amount = exact(text)
    if (_cell(cells, trailer.flag) or "").upper() in ("DR", "D", "-"):
        amount = -amount
    if trailer.minor_units:
        amount = amount.scaleb(-minor_units((_cell(cells, trailer.currency) or "").upper()))
    return amount


def _cell(cells: Sequence[str], position: int | None) -> str | None:
    if position is None or position >= len(cells):
        return None
    return cells[position].strip() or None


def _batch(state: _State) -> Batch:
    schema = dict.fromkeys(state.headers, pl.String())
    frame = pl.DataFrame(state.rows, schema=schema, orient="row").with_columns(
        pl.Series(ROW, state.numbers, dtype=pl.Int64)
    )
    batch = Batch(frame, tuple(state.torn))
    state.rows, state.numbers, state.torn = [], [], []
    return batch
