"""The files of an archive: which of them a row of the extract is in, and what each states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from tieout.formats.models import Format
from tieout.formats.reading import StatedTotal
from tieout.lines.tally import Tally
from tieout.model import Figure

Sums = dict[str, Figure]
"""Control amounts by currency."""


@dataclass(frozen=True)
class Member:
    """One file of an archive; its row n is row `above` + n of the extract."""

    name: str
    above: int


Members = Mapping[int, Sequence[Member]]
"""The files of each extract that is an archive of several, in order of their rows."""


def placed(quarantine: pl.DataFrame, members: Members) -> pl.DataFrame:
    """Quarantine rows (with `extract`) of archives name the file of the archive and its own row.

    `row_number` stays the number in the extract, which names the row in every table.
    """
    starts = [
        (extract, member.above + 1, member.name, member.above)
        for extract, there in members.items()
        for member in there
    ]
    if not starts or not quarantine.height:
        return quarantine
    schema = {
        "extract": pl.Int32(),
        "row_number": pl.Int64(),
        "member": pl.String(),
        "above": pl.Int64(),
    }
    # A file without any row begins where the next one does: the last to begin there has the row.
    firsts = pl.DataFrame(starts, schema=schema, orient="row").unique(
        ["extract", "row_number"], keep="last", maintain_order=True
    )
    found = (
        quarantine.with_row_index("order")
        .sort("row_number")
        .join_asof(firsts.sort("row_number"), on="row_number", by="extract", check_sortedness=False)
        .sort("order")
    )
    within = pl.format(
        "{} (row {} of {})", "message", pl.col("row_number") - pl.col("above"), "member"
    )
    known = pl.col("member").is_not_null()
    return found.with_columns(
        pl.when(known).then("member").otherwise("file").alias("file"),
        pl.when(known).then(within).otherwise("message").alias("message"),
    ).select(quarantine.columns)


def sums_files(layout: Format) -> bool:
    """Whether files of the format state a total of the whole file."""
    records = layout.reader.records
    trailers = records.trailers if records is not None else ()
    return any(t.scope == "file" and t.total is not None for t in trailers)


def sums(tally: Tally) -> Sums:
    """Control amounts of all rows counted so far."""
    found: Sums = {}
    for (_, currency), figure in tally.control.items():
        found[currency] = found.get(currency, Figure()) + figure
    return found


def held_to(stated: Sequence[StatedTotal], before: Sums, now: Sums) -> list[StatedTotal]:
    """What one file states, each total of the whole file with what was counted in that file."""
    own = {c: figure - before.get(c, Figure()) for c, figure in now.items()}
    return [replace(t, control=own) if t.before_row is None else t for t in stated]
