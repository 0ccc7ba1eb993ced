"""The bytes of a text extract on their way to a reader: decoded to UTF-8, watched, never held
whole.
"""

from __future__ import annotations

import codecs
import io
from typing import BinaryIO

from tieout.errors import ExtractError

_PIECE = 1 << 20
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Watched(io.RawIOBase):
    """UTF-8 bytes, whatever the sender's encoding; a byte order mark is taken off.

    Afterwards: `count` bytes, `quotes` seen, `last` byte. Raises ExtractError, naming the line,
    where the bytes are not in the encoding they should be in.
    """

    def __init__(self, inner: BinaryIO, name: str, encoding: str, quote: str) -> None:
        self._inner, self._name, self._encoding = inner, name, encoding
        self._decoder = codecs.getincrementaldecoder(
            "utf-8-sig" if encoding == "utf-8" else encoding
        )()
        self._quote = quote.encode()
        self._ready = b""
        self._done = False
        self.count = self.quotes = 0
        self.lines = 1
        self.last = b""

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: object) -> int:
        """Decode into a buffer. Raises ExtractError."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        while not self._ready and not self._done:
            self._ready = self._next()
        piece, self._ready = self._ready[: len(view)], self._ready[len(view) :]
        view[: len(piece)] = piece
        return len(piece)

    def _next(self) -> bytes:
        raw = self._inner.read(_PIECE)
        self._done = not raw
        if self.count == 0:
            self._refuse_other_encodings(raw)
        try:
            piece = self._decoder.decode(raw, final=self._done).encode()
        except UnicodeDecodeError as problem:
            raise self._not_encoded(problem) from None
        self.count += len(raw)
        self.quotes += piece.count(self._quote)
        self.lines += piece.count(b"\n")
        self.last = piece[-1:] or self.last
        return piece

    def _refuse_other_encodings(self, raw: bytes) -> None:
        if self._encoding != "utf-16" and (raw[:2] in UTF16 or raw[:200].count(b"\0") > 20):
            raise ExtractError(
                "the file is UTF-16, not UTF-8",
                "have it sent as UTF-8, or set the feed's option encoding: utf-16",
                self._name,
            )

    def _not_encoded(self, problem: UnicodeDecodeError) -> ExtractError:
        start = problem.start
        line = self.lines + problem.object[:start].count(b"\n")
        if problem.end == len(problem.object) and self._done:
            return ExtractError(
                f"the file ends in the middle of a character (line {line}): it was cut off",
                "have it sent again",
                self._name,
            )
        return ExtractError(
            f"byte 0x{problem.object[start]:02X} in line {line} is not {self._encoding.upper()}; "
            "the file may be windows-1252 or latin-1",
            "have it sent as UTF-8, or set the feed's option encoding: windows-1252",
            self._name,
        )


def buffered(watched: Watched) -> io.BufferedReader:
    """The watched bytes in larger pieces, with a look ahead."""
    return io.BufferedReader(watched, _PIECE)
