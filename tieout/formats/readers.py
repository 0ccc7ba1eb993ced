"""Opens an extract with the reader its format and its own bytes call for."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import NamedTemporaryFile

from tieout.errors import ExtractError
from tieout.formats.containers import Content, contents
from tieout.formats.csvfiles import open_csv
from tieout.formats.ndjson import open_ndjson
from tieout.formats.parquetfiles import open_parquet
from tieout.formats.reading import Batch, Request, StatedTotal, Table
from tieout.formats.sections import open_sections

NDJSON = (".ndjson", ".jsonl")


@dataclass(frozen=True)
class Piece:
    """One batch of an extract, the table it is of, and whether the table ends with it."""

    table: Table
    batch: Batch | None


def read_extract(path: Path, name: str, request: Request) -> Iterator[Piece]:
    """All batches of an extract, in order; after each file of it a piece without a batch.

    The files of a zip archive follow one another, their rows numbered on: a file's first row comes
    after the last row of the file before, trailers included, so a number names one row of the
    extract. Raises ExtractError.
    """
    above = 0
    with contents(path, name, request.limits) as files:
        for position, content in enumerate(files):
            with _on_disk(content, path) as place:
                table = _open(content, place, position, request)
                table.above, table.alone = above, content.alone
                for batch in table.batches:
                    yield Piece(table, _numbered_on(batch, above))
                table.stated = [_stated_on(total, table) for total in table.stated]
                yield Piece(table, None)
                above += table.last_row


@contextmanager
def _on_disk(content: Content, path: Path) -> Iterator[Path]:
    """The extract's own file; of packed Parquet a copy, bounded like all that is unpacked."""
    if not (content.is_parquet and content.packed):
        yield path
        return
    with NamedTemporaryFile(suffix=".parquet") as copy:
        shutil.copyfileobj(content.stream, copy, 1 << 20)
        copy.flush()
        yield Path(copy.name)


def _open(content: Content, path: Path, position: int, request: Request) -> Table:
    """Parquet is known by its first bytes and NDJSON by its name, whatever the format says."""
    kind = request.layout.reader.type
    if content.is_parquet:
        return open_parquet(path, content.name, request)
    if kind == "ndjson" or content.name.lower().removesuffix(".gz").endswith(NDJSON):
        return open_ndjson(content.stream, content.name, request)
    if kind == "sections":
        return open_sections(content.stream, content.name, request)
    if kind == "parquet":
        raise ExtractError("it is no Parquet file", "have it sent again as Parquet", content.name)

    def reopen() -> str | None:
        return _torn_quote(path, position, request, content.name)

    return open_csv(content.stream, content.name, _tabbed(content.name, request), reopen)


def _tabbed(name: str, request: Request) -> Request:
    """A .tsv file has tabs, unless the feed says otherwise."""
    if not name.lower().removesuffix(".gz").endswith(".tsv") or "delimiter" in request.options:
        return request
    return replace(request, options={**request.options, "delimiter": "\t"})


def _numbered_on(batch: Batch, above: int) -> Batch:
    if not above:
        return batch
    torn = tuple(replace(t, row=t.row + above) for t in batch.torn)
    return Batch(batch.frame.with_columns(source_row=batch.frame["source_row"] + above), torn)


def _stated_on(total: StatedTotal, table: Table) -> StatedTotal:
    if table.alone:
        return total
    total = replace(total, file=table.name)
    if total.before_row is None:
        return total
    after, before = total.after_row + table.above, total.before_row + table.above
    return replace(total, after_row=after, before_row=before)


def _torn_quote(path: Path, position: int, request: Request, name: str) -> str | None:
    """Read a file whose quotes do not pair once more, strictly: does it end inside a quoted
    cell?
    """
    reader = request.layout.reader
    with contents(path, name, request.limits) as files:
        for number, content in enumerate(files):
            if number != position:
                continue
            encoding = request.option("encoding", reader.encoding)
            text = io.TextIOWrapper(content.stream, encoding=encoding, newline="")
            rows = csv.reader(
                text,
                delimiter=request.option("delimiter", reader.delimiter),
                quotechar=reader.quote,
                strict=True,
            )
            try:
                for _ in rows:
                    pass
            except csv.Error as problem:
                return f"row {rows.line_num}: {problem}" if "end of data" in str(problem) else None
    return None
