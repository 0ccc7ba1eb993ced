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
from typing import BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.csv as arrow_csv

from tieout.errors import ExtractError
from tieout.formats.reading import ROW, Batch, Request, Table, TornRow, unique
from tieout.formats.streams import Watched, buffered

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
    headers = unique(cells)
    _refuse_other_delimiter(cells, name, request, delimiter)
    table = Table(name, headers, iter(()), last_row=records)
    table.batches = _batches(text, watched, table, request, (delimiter, records, reopen))
    return table


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
    how: tuple[str, int, Callable[[], str | None]],
) -> Iterator[Batch]:
    delimiter, above, reopen = how
    count = len(table.headers)
    torn: list[TornRow] = []
    names = [f"c{n}" for n in range(count)]
    following = above + 1
    broken: list[int] = []

    def note_torn(row: arrow_csv.InvalidRow) -> str:
        broken.append(above + row.number)
        torn.append(_torn(above + row.number, row.text, row.expected_columns, row.actual_columns))
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
                delimiter=delimiter,
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
            frame = pl.DataFrame(pl.from_arrow(piece)).rename(
                dict(zip(names, table.headers, strict=True))
            )
            numbers, following = _numbers(frame.height, following, broken)
            held = _batch(frame, numbers, torn, (delimiter, table.headers))
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
        yield _last(held, table, request, delimiter)
    if torn:
        empty = pl.DataFrame(schema=dict.fromkeys(table.headers, pl.String))
        yield _batch(empty, pl.Series([], dtype=pl.Int64), torn, (delimiter, table.headers))


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


def _batch(
    frame: pl.DataFrame, numbers: pl.Series, torn: list[TornRow], how: tuple[str, tuple[str, ...]]
) -> Batch:
    """The batch, with rows that only had empty cells too many put right."""
    delimiter, headers = how
    frame = frame.with_columns(numbers.alias(ROW))
    mended, lost = [], []
    for row in torn:
        cells = next(csv.reader([row.text], delimiter=delimiter), [])
        if len(cells) > len(headers) and not any(c.strip() for c in cells[len(headers) :]):
            mended.append([*cells[: len(headers)], row.row])
        else:
            lost.append(row)
    if mended:
        more = pl.DataFrame(mended, schema=frame.schema, orient="row")
        frame = pl.concat([frame, more]).sort(ROW)
    return Batch(frame, tuple(lost))


def _torn(row: int, text: str, expected: int, actual: int) -> TornRow:
    shown = text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + " ..."
    return TornRow(row, shown, f"the row has {actual} cells, the header {expected}")


def _as_extract_error(problem: pa.ArrowInvalid, name: str) -> ExtractError:
    text = str(problem)
    if "straddl" in text or "block" in text:
        return ExtractError(
            "a row is larger than 4 MB: a quoted cell may not be closed", "have it sent again", name
        )
    return ExtractError(f"the table cannot be cut into rows: {text}", "have it sent again", name)
