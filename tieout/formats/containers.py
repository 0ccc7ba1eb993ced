"""An extract's bytes, unpacked: plain, gz or zip; bounded, and never trusting a name inside.

An archive inside an archive, a path that leaves the archive, a link, an encrypted entry, or content
larger than the limits allow are refused with a clear error.
"""

from __future__ import annotations

import gzip
import io
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from tieout.errors import ExtractError
from tieout.settings import Limits

GZIP, ZIP, PARQUET = b"\x1f\x8b", b"PK\x03\x04", b"PAR1"
EMPTY_ZIP = b"PK\x05\x06"
MOST_ENTRIES = 1_000
_SLACK = 1 << 20
"""The ratio counts from here on: a megabyte of zeros is small, not a bomb."""


@dataclass(frozen=True)
class Content:
    """One file of an extract: its name, for messages, and its unpacked bytes."""

    name: str
    stream: BinaryIO
    is_parquet: bool = False
    packed: bool = False
    """Parquet is read back and forth: where it is packed, from a copy of the stream."""
    alone: bool = True
    """Whether the extract is this one file, not an archive of several."""


class Bounded(io.RawIOBase):
    """A stream that counts what is unpacked and stops at the limits."""

    def __init__(self, inner: BinaryIO, name: str, packed: int, limits: Limits, spent: int) -> None:
        self._inner, self._name = inner, name
        self._most = limits.extract_mb * (1 << 20) - spent
        self._allowed = packed * limits.unpack_ratio + _SLACK if packed else None
        self.count = 0

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: object) -> int:
        """Unpack into a buffer. Raises ExtractError at a limit or where the file is torn."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        try:
            piece = self._inner.read(len(view))
        except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as problem:
            raise ExtractError(
                f"the packed file is torn or damaged: {problem}",
                "have it sent again; nothing of it was used",
                self._name,
            ) from None
        self.count += len(piece)
        if self.count > self._most:
            raise ExtractError(
                "it is larger than limits.extract_mb after unpacking",
                "raise the limit if the file is meant to be this large",
                self._name,
            )
        if self._allowed is not None and self.count > self._allowed:
            raise ExtractError(
                "it unpacks to far more than its size (limits.unpack_ratio)",
                "have it sent unpacked, or raise the limit if you trust the sender",
                self._name,
            )
        view[: len(piece)] = piece
        return len(piece)


@contextmanager
def contents(path: Path, name: str, limits: Limits) -> Iterator[Iterator[Content]]:
    """The files of an extract one after the other, a plain file being one.

    `name` is what the sender called it, for messages. Raises ExtractError.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
            file.seek(0)
            if magic in (ZIP, EMPTY_ZIP):
                yield _zip_entries(file, name, limits)
            elif magic[:2] == GZIP:
                yield _gunzipped(file, path, name, limits)
            elif name.lower().endswith((".gz", ".zip")):
                raise ExtractError(
                    "it is not packed as its name says, or torn at once",
                    "have it sent again",
                    name,
                )
            else:
                stream = _bounded(file, name, 0, limits, 0)
                yield iter([Content(name, stream, is_parquet=magic == PARQUET)])
    except OSError as problem:
        raise ExtractError(
            f"cannot be read: {problem.strerror or problem}", "check that it may be read", name
        ) from None


def _bounded(file: BinaryIO, name: str, packed: int, limits: Limits, spent: int) -> BinaryIO:
    return io.BufferedReader(Bounded(file, name, packed, limits, spent), 1 << 20)


def _gunzipped(file: BinaryIO, path: Path, name: str, limits: Limits) -> Iterator[Content]:
    with gzip.GzipFile(fileobj=file) as inner:
        stream = _bounded(inner, name, path.stat().st_size, limits, 0)  # type: ignore[arg-type]
        magic = stream.peek(4)[:4]  # type: ignore[attr-defined]
        _refuse_archive(magic, name)
        yield Content(name, stream, is_parquet=magic == PARQUET, packed=True)


def _zip_entries(file: BinaryIO, name: str, limits: Limits) -> Iterator[Content]:
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile as problem:
        raise ExtractError(
            f"the zip archive is torn or damaged: {problem}", "have it sent again", name
        ) from None
    entries = [e for e in archive.infolist() if not e.is_dir()]
    if len(entries) > MOST_ENTRIES:
        raise ExtractError(
            f"the archive has {len(entries)} files, at most {MOST_ENTRIES} are read",
            "have it sent in parts",
            name,
        )
    if not entries:
        raise ExtractError("the archive is empty", "have it sent again", name)
    spent = 0
    for entry in sorted(entries, key=lambda e: e.filename):
        _refuse_entry(entry, name)
        where = f"{name}!{entry.filename}"
        with archive.open(entry) as inner:
            raw = Bounded(inner, where, entry.compress_size, limits, spent)  # type: ignore[arg-type]
            stream = io.BufferedReader(raw, 1 << 20)
            magic = stream.peek(4)[:4]
            _refuse_archive(magic, where)
            alone = len(entries) == 1
            yield Content(where, stream, is_parquet=magic == PARQUET, packed=True, alone=alone)
            spent += raw.count


def _refuse_entry(entry: zipfile.ZipInfo, name: str) -> None:
    inside = PurePosixPath(entry.filename.replace("\\", "/"))
    problem = ""
    if inside.is_absolute() or ".." in inside.parts or ":" in inside.parts[0]:
        problem = "leaves the archive"
    elif stat.S_ISLNK(entry.external_attr >> 16):
        problem = "is a link"
    elif entry.flag_bits & 0x1:
        problem = "is encrypted"
    if problem:
        raise ExtractError(
            f"the archive's entry {entry.filename!r} {problem}",
            "have it sent as plain files",
            name,
        )


def _refuse_archive(magic: bytes, name: str) -> None:
    if magic[:2] == GZIP or magic in (ZIP, EMPTY_ZIP):
        raise ExtractError(
            "it is an archive inside an archive", "have it packed once, or not at all", name
        )
