"""What every reader gives: headers once, then batches of text cells with their row numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

import polars as pl

from tieout.formats.models import Format
from tieout.model import Figure
from tieout.settings import Limits

ROW = "source_row"


@dataclass(frozen=True)
class TornRow:
    """A row that could not be cut into cells: too few, too many, or no row at all."""

    row: int
    text: str
    message: str
    remedy: str = "have the file sent again; the row may be cut off or hold a stray quote"


@dataclass(frozen=True)
class Batch:
    """Rows of one extract: a text column for every header, and `source_row`."""

    frame: pl.DataFrame
    torn: tuple[TornRow, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of the file in this batch, torn ones too."""
        return self.frame.height + len(self.torn)


@dataclass(frozen=True)
class StatedTotal:
    """A control total that the file itself states in a trailer."""

    ref: str
    rows: int | None
    found_rows: int
    amount: Decimal | None = None
    currency: str | None = None
    after_row: int = 0
    """It is about the rows after this one ..."""
    before_row: int | None = None
    """... and before this one; None means the whole file."""
    file: str | None = None
    """The file of the archive that states it, where the extract is one of several."""
    control: dict[str, Figure] | None = None
    """What was found in that file, by currency; None for a section, or where it is the extract."""


@dataclass
class Table:
    """An opened extract. `notes` and `stated` are complete once the batches have been read."""

    name: str
    headers: tuple[str, ...]
    batches: Iterator[Batch]
    notes: list[str] = field(default_factory=list)
    stated: list[StatedTotal] = field(default_factory=list)
    iso_dates: bool = False
    cut: bool = False
    """Whether the last row does not end with a line break (known after the last batch)."""
    last_row: int = 0
    """Number of the last row, of whatever kind: header, body, trailer, torn (known after the last
    batch)."""
    above: int = 0
    """Rows of the archive's files before this one; row numbers of the batches go on from there."""
    alone: bool = True
    """Whether it is the whole extract, not one file of an archive with several."""


OPTIONS = ("decimal", "delimiter", "encoding", "thousands", "zone")
"""What a feed may say about its files in place of the format, beside columns and their formats."""


@dataclass(frozen=True)
class Request:
    """What to read an extract with: format, the feed's options, limits."""

    layout: Format
    options: dict[str, str]
    limits: Limits

    def option(self, name: str, default: str) -> str:
        """An option of the feed, or what the format says."""
        return self.options.get(name, default)


def unique(headers: list[str]) -> tuple[str, ...]:
    """Headers without blanks around them; nameless and repeated ones get a number."""
    seen: dict[str, int] = {}
    found = []
    for position, raw in enumerate(headers, 1):
        header = raw.strip() or f"column {position}"
        seen[header.casefold()] = seen.get(header.casefold(), 0) + 1
        again = seen[header.casefold()]
        found.append(header if again == 1 else f"{header} ({again})")
    return tuple(found)
