"""Files that are there whole or not at all: written beside their place, synced, then renamed."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from tieout.errors import TieoutError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class NewFile:
    """A file being written that counts and fingerprints what goes in; what Arrow writes to."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o440)
        self._file: BinaryIO = os.fdopen(descriptor, "wb")
        self._digest = hashlib.sha256()
        self.bytes = 0
        self.closed = False

    def write(self, piece: bytes | memoryview) -> int:
        """Add a piece; returns its size."""
        size = len(memoryview(piece))
        if self.closed:  # Arrow writes a footer when an abandoned writer is collected
            return size
        self._file.write(piece)
        self._digest.update(piece)
        self.bytes += size
        return size

    def tell(self) -> int:
        """Bytes written so far."""
        return self.bytes

    def flush(self) -> None:
        """Hand what is buffered to the operating system."""
        self._file.flush()

    def to_disk(self) -> None:
        """Wait until what was written is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Arrow closes what it writes to; the file stays open until `end`, to be synced first."""

    def end(self) -> None:
        """Close the file; what is written from now on is dropped."""
        self.closed = True
        self._file.close()

    @property
    def sha256(self) -> str:
        """Fingerprint of what was written so far."""
        return self._digest.hexdigest()


class _Keep:
    """Brings the new file to disk and moves it, once, to its name in the folder."""

    def __init__(self, out: NewFile, beside: Path) -> None:
        self._out, self._beside = out, beside

    def __call__(self, name: str) -> None:
        target = self._beside.parent / name
        self._out.to_disk()
        self._beside.rename(target)
        _sync_folder(target.parent)


@contextmanager
def new_file(folder: Path) -> Iterator[tuple[NewFile, _Keep]]:
    """A file that is gone afterwards unless it was kept, whatever happened."""
    try:
        make_folder(folder)
        beside = folder / f".{uuid4().hex}.part"
        out = NewFile(beside)
        try:
            yield out, _Keep(out, beside)
        finally:
            try:
                out.end()
            finally:
                beside.unlink(missing_ok=True)
    except OSError as problem:
        if problem.errno in _NO_ROOM:
            raise TieoutError(
                f"no room to write: {problem.strerror}",
                "free space on this disk, then run again; nothing was published",
                str(folder),
            ) from problem
        raise


def make_folder(folder: Path) -> None:
    """Make a folder, and bring its name to disk in the folder above it, all the way up."""
    if folder.exists():
        return
    missing = [f for f in (folder, *folder.parents) if not f.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in reversed(missing):
        _sync_folder(made.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
