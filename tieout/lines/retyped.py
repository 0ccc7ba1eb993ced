"""A required column none of whose values can be read: the sender writes it another way now.

One bad cell among good ones is a row's fault and goes to quarantine; a column that is bad
throughout is the extract's, and would replace the last good lines with nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tieout.formats.models import Column, Format
from tieout.formats.parsing import ISO, Dialect

_FEWEST = 2
"""A single value proves nothing about its column."""
_WORDS = {"decimal": "a plain decimal number", "integer": "a whole number"}


@dataclass
class Cells:
    """The cells of one column of an extract: how many have a value, how many could be read."""

    filled: int = 0
    read: int = 0
    row: int = 0
    value: str = ""
    """The first value there is, and its row."""

    def add(self, other: Cells) -> None:
        """Take in the cells of a further batch."""
        if not self.filled:
            self.row, self.value = other.row, other.value
        self.filled += other.filled
        self.read += other.read


def retyped(
    cells: Mapping[str, Cells], layout: Format, dialect: Dialect, names: Mapping[str, str]
) -> Iterator[str]:
    """What is wrong with each column of an extract that was read to its end, with a remedy.

    `names`: the format's headers -> the file's.
    """
    for name, found in cells.items():
        if found.filled >= _FEWEST and not found.read:
            column = layout.columns[name]
            header = " ".join(names.get(h, h) for h in column.headers)
            yield (
                f"{layout.title}: column {header} should be {_expected(name, column, dialect)}, "
                f"and none of its {found.filled:,} values is: row {found.row} has {found.value!r} "
                f"-> have the sender restore it, or state how it is written{_where(name, column)}"
            )


def _expected(name: str, column: Column, dialect: Dialect) -> str:
    if column.type not in ISO:
        return _WORDS[column.type]
    own = (dialect.formats[name],) if name in dialect.formats else column.formats
    shapes = ISO[column.type] if dialect.iso_dates else own
    return f"a {column.type} written as {' or '.join(shapes)}"


def _where(name: str, column: Column) -> str:
    return f" in the feed's option format.{name}" if column.type in ISO else ""
