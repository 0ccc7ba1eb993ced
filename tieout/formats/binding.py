"""A format's columns found among a file's headers: by name, in any order, upper or lower case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import polars as pl

from tieout.errors import ExtractError
from tieout.formats.models import Column, Format
from tieout.formats.reading import ROW

COLUMN_OPTION = "column."
"""A feed's option `column.amount: Betrag` names another header for a column of the format."""


@dataclass(frozen=True)
class Binding:
    """Where each header of the format is in the file, and what else the file has."""

    places: dict[str, str | None]
    new: tuple[str, ...]

    @property
    def names(self) -> dict[str, str]:
        """The format's headers -> the file's, where it spells them otherwise."""
        return {h: there for h, there in self.places.items() if there and there != h}

    def select(self, frame: pl.DataFrame, extract: int) -> pl.DataFrame:
        """KEYS and a text column for each header of the format; NULL where the file has none."""
        return frame.select(
            pl.lit(extract, pl.Int32).alias("extract"),
            pl.col(ROW),
            *(
                pl.col(there).alias(header) if there else pl.lit(None, pl.String).alias(header)
                for header, there in self.places.items()
            ),
        )


def bind(layout: Format, headers: Sequence[str], options: dict[str, str], name: str) -> Binding:
    """Find the columns. Raises ExtractError with a diff when required ones are missing."""
    there = {h.casefold(): h for h in headers}
    places: dict[str, str | None] = {}
    missing: list[str] = []
    for key, column in layout.columns.items():
        for header in column.headers:
            found = _find(header, column, options.get(COLUMN_OPTION + key), there)
            places[header] = places.get(header) or found
            if found is None and column.required and header not in missing:
                missing.append(header)
    used = {p for p in places.values() if p}
    records = layout.reader.records
    record_type = headers[0] if records is not None and headers else None
    new = tuple(
        h for h in headers if h not in used and h != record_type and not _is_known(h, layout)
    )
    if missing:
        raise ExtractError(
            f"{layout.title}: missing column(s) {', '.join(missing)}; "
            f"the file has {', '.join(headers[:60])}",
            "have the sender restore them, or name the right format or another header for the feed",
            name,
        )
    return Binding(places, new)


def _is_known(header: str, layout: Format) -> bool:
    """Whether a column nothing is read from is one the sender is known to write."""
    plain = header.casefold()
    return any(fnmatchcase(plain, known.casefold()) for known in layout.also)


def _find(header: str, column: Column, other: str | None, there: dict[str, str]) -> str | None:
    if other is not None:
        return there.get(other.casefold())
    for spelling in (header, *column.aliases):
        if spelling.casefold() in there:
            return there[spelling.casefold()]
    return None
