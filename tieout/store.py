"""Immutable files: Parquet of the tables, and the extracts as received.

A file gets a new unguessable name, is written beside its place, brought to disk and only then
renamed; no reader knows of it until the register publishes it. Nothing is overwritten.

    <root>/tables/lines/adyen/2026-10-05/<uuid>.parquet
    <root>/evidence/ab/ab12...ef.csv.gz
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import polars as pl
import pyarrow.parquet as pq

from tieout.durable import NewFile, make_folder, new_file
from tieout.errors import ExtractError, TieoutError
from tieout.register.records import (
    NewPublication,
    Publication,
    StoredFile,
    checked_key,
    checked_table,
)

ROW_GROUP = 131_072
"""Rows of a row group. Fixed, so that the same rows give the same bytes however they are cut."""

_PIECE = 1 << 20
_SUFFIX = re.compile(r"\.[a-z0-9]{1,10}")
_EVIDENCE = re.compile(r"evidence/[0-9a-f]{2}/[0-9a-f]{64}(\.[a-z0-9]{1,10}){0,2}")


class TableWriter:
    """Writes one Parquet file from any number of frames; `file` is there once the writer is done.

    At most two row groups are held in memory.
    """

    def __init__(self, out: NewFile, schema: Mapping[str, pl.DataType]) -> None:
        self._empty = pl.DataFrame(schema=dict(schema))
        self._arrow = self._empty.to_arrow().schema
        self._writer = pq.ParquetWriter(
            out, self._arrow, compression="zstd", store_decimal_as_integer=True
        )
        self._waiting: list[pl.DataFrame] = []
        self._waiting_rows = 0
        self.rows = 0
        self.file: StoredFile | None = None

    def write(self, frame: pl.DataFrame) -> None:
        """Add rows. Raises TieoutError when columns or types are not the writer's."""
        if frame.schema != self._empty.schema:
            raise TieoutError(
                f"a frame with {dict(frame.schema)} does not fit {dict(self._empty.schema)}",
                "select and cast the columns first",
            )
        self.rows += frame.height
        self._waiting.append(frame)
        self._waiting_rows += frame.height
        if self._waiting_rows >= ROW_GROUP:
            self._write_groups()

    def _write_groups(self, *, rest: bool = False) -> None:
        rows = pl.concat([self._empty, *self._waiting]).rechunk()
        whole = rows.height if rest else rows.height - rows.height % ROW_GROUP
        for start in range(0, whole, ROW_GROUP):
            group = rows.slice(start, ROW_GROUP).to_arrow().cast(self._arrow).combine_chunks()
            self._writer.write_table(group, row_group_size=ROW_GROUP)
        left = rows.slice(whole)
        self._waiting, self._waiting_rows = [left], left.height

    def _finish(self) -> None:
        self._write_groups(rest=True)
        self._writer.close()


class Incoming:
    """An extract on its way in: `file` takes its bytes; then `kept` is sha256, bytes and path."""

    file: NewFile
    kept: tuple[str, int, str]


class Store:
    """The files under one local folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, table: str, partition: str, frame: pl.DataFrame) -> StoredFile:
        """Keep a frame as a new file of a partition. Raises TieoutError when the disk is full."""
        with self.writer(table, partition, frame.schema) as writer:
            writer.write(frame)
        assert writer.file is not None
        return writer.file

    @contextmanager
    def writer(
        self, table: str, partition: str, schema: Mapping[str, pl.DataType]
    ) -> Iterator[TableWriter]:
        """A writer of one new file of a partition; after an exception there is no file.

        Raises TieoutError when the disk is full.
        """
        folder = self.folder(table, partition)
        name = f"{uuid4().hex}.parquet"
        with new_file(folder) as (out, keep):
            writer = TableWriter(out, schema)
            yield writer
            writer._finish()
            keep(name)
        writer.file = StoredFile(name=name, sha256=out.sha256, bytes=out.bytes, rows=writer.rows)

    def paths(self, publications: Iterable[Publication | NewPublication]) -> list[str]:
        """The files of publications, in their order.

        Raises TieoutError when one is gone or has another size than when it was published.
        """
        found: list[str] = []
        for publication in publications:
            if not publication.files:
                continue
            folder = self.folder(publication.table, publication.partition)
            for file in publication.files:
                path = folder / file.name
                _assert_whole(path, file.bytes)
                found.append(str(path))
        return found

    def keep_evidence(self, source: Path) -> tuple[str, int, str]:
        """Keep an extract as received: its sha256, its bytes, and its path in the store.

        Streamed; the fingerprint is of what was kept. The same content is kept once, and what is
        there already is read again to see that it still is what it was.

        Raises ExtractError when the source is no file, TieoutError when the disk is full or the
        evidence there is damaged.
        """
        with self.evidence(_suffix(source.name)) as incoming:
            for piece in _pieces(source):
                incoming.file.write(piece)
        return incoming.kept

    @contextmanager
    def evidence(self, suffix: str) -> Iterator[Incoming]:
        """The same for what is no file yet: write to `file`, then read `kept`.

        After an exception nothing is kept.
        """
        incoming = Incoming()
        with new_file(self.root / "evidence") as (out, keep):
            incoming.file = out
            yield incoming
            sha256, size = out.sha256, out.bytes
            relative = f"evidence/{sha256[:2]}/{sha256}{suffix}"
            target = self.evidence_path(relative)
            if target.exists():
                _assert_unchanged(target, sha256, size)
            else:
                make_folder(target.parent)
                keep(f"{sha256[:2]}/{target.name}")
        incoming.kept = (sha256, size, relative)

    def evidence_path(self, relative: str) -> Path:
        """Where evidence lies. Raises TieoutError for anything but what keep_evidence gave out."""
        if not _EVIDENCE.fullmatch(relative):
            raise TieoutError(f"{relative!r} names no evidence", "use the path from the register")
        return self.root / relative

    def folder(self, table: str, partition: str) -> Path:
        """Where the files of a partition lie."""
        # A colon in a path is not portable; names are unique, so folders need not be.
        parts = [*checked_table(table).split("/"), checked_key(partition)]
        return self.root.joinpath("tables", *(part.replace(":", "") for part in parts))


def fingerprint(path: Path) -> tuple[str, int]:
    """sha256 and bytes of a file, streamed. Raises ExtractError when it cannot be read."""
    digest, size = hashlib.sha256(), 0
    for piece in _pieces(path):
        digest.update(piece)
        size += len(piece)
    return digest.hexdigest(), size


def _pieces(path: Path) -> Iterator[bytes]:
    if not path.is_file():
        raise ExtractError("there is no such file", "check the feed's location", str(path))
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece
    except OSError as problem:
        raise ExtractError(
            f"cannot be read: {problem.strerror}", "check that it may be read", str(path)
        ) from problem


def _suffix(name: str) -> str:
    """Up to two plain endings of a file's name (`.csv.gz`), so that it opens in its program."""
    endings: list[str] = []
    for ending in reversed(Path(name.lower()).suffixes[-2:]):
        if not _SUFFIX.fullmatch(ending):
            break
        endings.insert(0, ending)
    return "".join(endings)


def _assert_whole(path: Path, size: int) -> None:
    try:
        found = path.stat().st_size
    except FileNotFoundError:
        found = -1
    if found != size:
        what = "is missing" if found < 0 else f"has {found} bytes, published were {size}"
        raise TieoutError(f"a published file {what}", "restore it from a backup", str(path))


def _assert_unchanged(path: Path, sha256: str, size: int) -> None:
    if fingerprint(path) != (sha256, size):
        raise TieoutError(
            "evidence kept earlier has changed since",
            "restore it from a backup, or move it aside and take the extract in again",
            str(path),
        )
