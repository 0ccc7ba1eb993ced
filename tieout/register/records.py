"""What the register holds, as plain immutable values; and the names it accepts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tieout.errors import TieoutError

_PART = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_LONGEST = 255


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One immutable Parquet file of the store; `name` is unique and unguessable."""

    name: str
    sha256: str
    bytes: int
    rows: int


@dataclass(frozen=True, slots=True)
class NewPublication:
    """What a run wants to publish as the next version of one partition of one table.

    An empty table has no files. `totals` is JSON without floats: amounts are text.
    """

    table: str
    partition: str
    files: tuple[StoredFile, ...] = ()
    rows: int = 0
    totals: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Publication:
    """One published version of a partition; versions count from 1, `published_at` is UTC."""

    table: str
    partition: str
    files: tuple[StoredFile, ...]
    rows: int
    totals: Mapping[str, Any]
    version: int
    epoch: int
    run_id: str
    published_at: datetime


@dataclass(frozen=True, slots=True)
class TakenExtract:
    """One delivery of a feed for a window, as taken in.

    `name` is the file's or query's name, `sha256` and `bytes` are of the extract as received,
    `evidence` is where the store keeps it (relative), `taken_at` is UTC, `manifest` holds the
    sender's control totals where they came beside the data.
    """

    feed: str
    window: str
    name: str
    sha256: str
    bytes: int
    evidence: str
    taken_at: datetime
    manifest: dict[str, Any] | None = None


def checked_table(name: str) -> str:
    """The name of a table, consumer or kind of note: keys joined by `/`, none of them `.` or `..`.

    Raises TieoutError.
    """
    parts = name.split("/")
    if len(name) > _LONGEST or not all(_is_key(part) for part in parts):
        raise TieoutError(
            f"{name!r} is no name", "use letters, digits and _ . : - in parts joined by /"
        )
    return name


def checked_key(key: str, what: str = "partition") -> str:
    """A partition, feed, window or run: one key, so never a path. Raises TieoutError."""
    if not _is_key(key):
        raise TieoutError(
            f"{key!r} is no {what} key", "use 1 to 128 letters, digits and _ . : - and no more"
        )
    return key


def checked_totals(totals: Mapping[str, Any]) -> dict[str, Any]:
    """Control totals fit to be kept: text, whole numbers, booleans, lists and mappings of them.

    Raises TieoutError for a float: an amount that went through one is no longer exact.
    """
    _refuse_floats(totals, "totals")
    return dict(totals)


def _is_key(key: str) -> bool:
    return bool(_PART.fullmatch(key)) and key.strip(".") != ""


def _refuse_floats(value: object, where: str) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _refuse_floats(inner, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for position, inner in enumerate(value):
            _refuse_floats(inner, f"{where}[{position}]")
    elif value is not None and not isinstance(value, str | int):
        raise TieoutError(
            f"{value!r} ({type(value).__name__}) cannot be kept as a control total",
            "write amounts as text",
            where,
        )
