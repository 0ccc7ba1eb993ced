"""Empty cells too many at the end of rows: an export that ends every row with a delimiter.

They are dropped only where the header or every row there is to see carries them. A single row with
a cell too many is torn, even where its last cell is empty: `1,234.00,` is one amount to the sender
and two cells to us, and dropping a cell would read it as another amount.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

REMEDY = (
    "a cell may hold an unquoted delimiter, such as 1,234.00: have it sent in quotes or without it"
)
"""What to do about a row with too many cells."""
_SPLIT = re.compile(r"[^0-9]{0,2}[0-9]{1,3} [0-9]{3}(\.[0-9]+)?[^0-9]?|[^0-9]{0,2}[0-9.]+ [0-9]{2}")
"""One number as two cells: its thousands, or its cents."""


def named(header: Sequence[str]) -> int:
    """How many cells of a header there are up to its last name; all when it names nothing."""
    last = max((n for n, cell in enumerate(header, 1) if cell.strip()), default=0)
    return last or len(header)


def surplus(header: Sequence[str], rows: Iterable[Sequence[str]], delimiter: str) -> int:
    """How many empty cells every row carries at its end beyond the named columns.

    A header that carries them decides; else the rows do, all of them. Where a number cut in two
    would explain the surplus of all of them there is none.
    """
    wanted = named(header)
    if len(header) > wanted:
        return len(header) - wanted
    seen = [row for row in rows if any(c.strip() for c in row)]
    if not seen or len({len(row) for row in seen}) != 1:
        return 0
    over = len(seen[0]) - wanted
    if over <= 0 or any(filled(row, wanted) for row in seen):
        return 0
    if delimiter == "," and all(map(_has_split_number, seen)):
        return 0
    return over


def filled(row: Sequence[str], wanted: int) -> bool:
    """Whether a cell beyond the named columns holds something."""
    return any(cell.strip() for cell in row[wanted:])


def _has_split_number(row: Sequence[str]) -> bool:
    return any(_SPLIT.fullmatch(f"{a.strip()} {b.strip()}") for a, b in pairwise(row))
