"""Delimited text: the header found, the rest streamed through Arrow as text, row by row accounted
for.

Row numbers count records from the top of the file, the header among them, blank lines not: row 2 is
the first below a header in row 1, as a spreadsheet shows it.
"""

from __future__ import annotations

import bisect
import csv
import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.csv as arrow_csv

from tieout.errors import ExtractError
from tieout.formats.reading import ROW, Batch, Request, Table, TornRow, unique
from tieout.formats.streams import Watched, buffered
from tieout.formats.trailing import REMEDY, named, surplus

_BLOCK = 4 << 20
_HEAD = 256 << 10
_DEEPEST_HEADER = 200
_LONGEST_SHOWN = 4_000
_OTHERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}


def open_csv(
    stream: BinaryIO, name: str, request: Request, reopen: Callable[[], str | None]
) -> Table:
    """Open a delimited file.

    `reopen` reads the file once more and tells why it is torn, if it is; it is asked only when the
    quotes do not pair. Raises ExtractError: empty, another delimiter, no header, wrong encoding.
    """
    reader = request.layout.reader
    delimiter = request.option("delimiter", reader.delimiter).replace("\\t", "\t")
    watched = Watched(stream, name, request.option("encoding", reader.encoding), reader.quote)
    text = buffered(watched)
    head = text.peek(_HEAD)[:_HEAD]
    cells, size, records = _header(head, name, request, delimiter)
    text.read(size)
    _refuse_other_delimiter(cells, name, request, delimiter)
    first = _first_rows(head[size:], delimiter, reader.quote, whole=len(head) < _HEAD)
    over = surplus(cells, first, delimiter)
    table = Table(name, unique(cells[: named(cells)]), iter(()), last_row=records)
    cut = _Cut(delimiter, table.headers, over)
    table.batches = _batches(text, watched, table, request, (cut, records, reopen))
    return table


@dataclass(frozen=True)
class _Cut:
    """How rows are cut: the named columns, and empty cells that every row has after them."""

    delimiter: str
    headers: tuple[str, ...]
    surplus: int

    @property
    def cells(self) -> int:
        """Cells a whole row has."""
        return len(self.headers) + self.surplus

    def torn(self, row: int, text: str, actual: int) -> TornRow:
        """A row with another number of cells."""
        wanted = f"the other rows {self.cells}" if self.surplus else f"the header {self.cells}"
        message = f"the row has {actual} cells, {wanted}"
        return TornRow(row, _shown(text), message, *([REMEDY] if actual > self.cells else []))


def _first_rows(head: bytes, delimiter: str, quote: str, *, whole: bool) -> list[list[str]]:
    """Rows below the header in the beginning of a file; where that is not the whole file, the last
    row is cut off and left out.
    """
    text = (line.decode("utf-8", "replace") for line in head.splitlines(keepends=True))
    rows: list[list[str]] = []
    with suppress(csv.Error):
        rows.extend(csv.reader(text, delimiter=delimiter, quotechar=quote))
    return rows if whole else rows[:-1]


def _header(head: bytes, name: str, request: Request, delimiter: str) -> tuple[list[str], int, int]:
    """Cells of the header, and how many bytes and records of the file end with it."""
    lines = head.splitlines(keepends=True)
    text = (line.decode("utf-8", "replace") for line in lines)
    wanted = request.layout.reader.starts_at
    records = csv.reader(text, delimiter=delimiter, quotechar=request.layout.reader.quote)
    count = 0
    try:
        for cells in records:
            if not cells:
                continue
            count += 1
            there = {c.strip().casefold() for c in cells}
            if wanted is None or wanted.casefold() in there:
                return cells, sum(map(len, lines[: records.line_num])), count
            if count >= _DEEPEST_HEADER:
                break
    except csv.Error as problem:
        raise ExtractError(f"the header cannot be read: {problem}", where=name) from None
    if count == 0:
        raise ExtractError("the file is empty", "have it sent again, with a header", name)
    raise ExtractError(
        f"no row with a cell {wanted!r} in the first {count} rows", "is this the right file?", name
    )


def _refuse_other_delimiter(cells: list[str], name: str, request: Request, delimiter: str) -> None:
    known = {h.casefold() for h in request.layout.headers()}
    if any(c.strip().casefold() in known for c in cells):
        return
    line = delimiter.join(cells)
    for other, word in _OTHERS.items():
        parts = {c.strip().strip('"').casefold() for c in line.split(other)}
        if other != delimiter and parts & known:
            raise ExtractError(
                f"the cells are separated by {word}, {request.layout.name} expects "
                f"{_OTHERS.get(delimiter, repr(delimiter))}",
                f"set the feed's option delimiter: {other!r}, or have it sent the other way",
                name,
            )


def _batches(
    text: io.BufferedReader,
    watched: Watched,
    table: Table,
    request: Request,
    how: tuple[_Cut, int, Callable[[], str | None]],
) -> Iterator[Batch]:
    cut, above, reopen = how
    torn: list[TornRow] = []
    names = [f"c{n}" for n in range(cut.cells)]
    following = above + 1
    broken: list[int] = []

    def note_torn(row: arrow_csv.InvalidRow) -> str:
        broken.append(above + row.number)
        torn.append(cut.torn(above + row.number, row.text, row.actual_columns))
        return "skip"

    if not text.peek(1):
        _no_rows(watched, table, request)
        return
    try:
        stream = arrow_csv.open_csv(
            pa.PythonFile(text, mode="r"),
            read_options=arrow_csv.ReadOptions(
                column_names=names, use_threads=False, block_size=_BLOCK
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=cut.delimiter,
                quote_char=request.layout.reader.quote,
                newlines_in_values=True,
                invalid_row_handler=note_torn,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
        held: Batch | None = None
        for piece in stream:
            if held is not None:
                yield held
            frame = pl.DataFrame(pl.from_arrow(piece))
            numbers, following = _numbers(frame.height, following, broken)
            held = _batch(frame.with_columns(numbers.alias(ROW)), torn, cut)
            torn.clear()
    except pa.ArrowInvalid as problem:
        raise _as_extract_error(problem, table.name) from None
    if watched.quotes % 2 and (why := reopen()):
        raise ExtractError(
            f"the file ends inside a quoted cell: it was cut off ({why})",
            "have it sent again",
            table.name,
        )
    table.cut = watched.last not in (b"\n", b"\r")
    table.last_row = max([following - 1, *broken[-1:]])
    if held is not None:
        yield _last(held, table, request, cut.delimiter)
    if torn:
        empty = pl.DataFrame(schema={**dict.fromkeys(names, pl.String), ROW: pl.Int64})
        yield _batch(empty, torn, cut)


def _no_rows(watched: Watched, table: Table, request: Request) -> None:
    """A header and nothing else is a valid, empty extract, unless it breaks off in the header."""
    table.notes.append("the file has a header and no rows")
    if watched.last in (b"\n", b"\r"):
        return
    if request.layout.reader.ends_with_line_break:
        raise ExtractError(
            "the file ends in its header: it was cut off", "have it sent again", table.name
        )
    table.notes.append("the file does not end with a line break; it may be cut off")


def _last(batch: Batch, table: Table, request: Request, delimiter: str) -> Batch:
    """The last batch; a last row that the sender did not end may lack its last digits."""
    if not table.cut or not batch.frame.height:
        return batch
    row = batch.frame[ROW].max()
    assert isinstance(row, int)
    if any(t.row > row for t in batch.torn):
        return batch
    if not request.layout.reader.ends_with_line_break:
        table.notes.append("the file does not end with a line break; its last row may be cut off")
        return batch
    cells = batch.frame.filter(pl.col(ROW) == row).drop(ROW).row(0)
    message = "the last row has no line break at its end: the file may be cut off"
    cut = TornRow(row, delimiter.join(c or "" for c in cells), message)
    return Batch(batch.frame.filter(pl.col(ROW) != row), (*batch.torn, cut))


def _numbers(count: int, following: int, broken: list[int]) -> tuple[pl.Series, int]:
    """Row numbers of `count` good rows from `following` on, leaving out the broken rows."""
    end, start = following + count, bisect.bisect_left(broken, following)
    for number in broken[start:]:
        if number >= end:
            break
        end += 1
    rows = pl.int_range(following, end, dtype=pl.Int64, eager=True)
    skipped = [n for n in broken[start:] if n < end]
    if skipped:
        rows = rows.filter(~rows.is_in(pl.Series(skipped).implode()))
    return rows, end


def _batch(frame: pl.DataFrame, torn: list[TornRow], cut: _Cut) -> Batch:
    """The batch under its names; a row with something beyond the named columns is torn."""
    lost = list(torn)
    own, beyond = frame.columns[: len(cut.headers)], frame.columns[len(cut.headers) : -1]
    if beyond:
        holds = pl.any_horizontal(pl.col(c).str.strip_chars() != "" for c in beyond)
        for *cells, row in frame.filter(holds).iter_rows():
            text = cut.delimiter.join(c or "" for c in cells)
            lost.append(_beyond(cut, row, text))
        frame = frame.filter(~holds)
    names = dict(zip(own, cut.headers, strict=True))
    return Batch(frame.select(*own, ROW).rename(names), tuple(sorted(lost, key=_row)))


def _beyond(cut: _Cut, row: int, text: str) -> TornRow:
    message = f"the row goes on after the {len(cut.headers)} named columns; all others end there"
    return TornRow(row, _shown(text), message, REMEDY)


def _row(torn: TornRow) -> int:
    return torn.row


def _shown(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + " ..."


def _as_extract_error(problem: pa.ArrowInvalid, name: str) -> ExtractError:
    text = str(problem)
    if "straddl" in text or "block" in text:
        return ExtractError(
            "a row is larger than 4 MB: a quoted cell may not be closed", "have it sent again", name
        )
    return ExtractError(f"the table cannot be cut into rows: {text}", "have it sent again", name)
