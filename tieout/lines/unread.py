"""Windows whose extract came and cannot be read: their deliveries say so, and the rest stays.

The lines published before keep counting; a break beside them tells that something else was
delivered since, so that no statement looks complete while an extract waits to be sent again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import polars as pl

from tieout.lines import deliveries
from tieout.lines.columns import DELIVERIES
from tieout.periods import window_day
from tieout.register.records import NewPublication, Publication
from tieout.workplace import Workplace

UNREAD = "unread"
"""Marks the totals of such deliveries: the window is to be worked again whatever else holds."""


def unread_windows(workplace: Workplace, feed: str, windows: Sequence[str]) -> frozenset[str]:
    """Which of the windows say that an extract could not be read."""
    heads = workplace.register.heads(f"deliveries/{feed}", windows)
    return frozenset(window for window, head in heads.items() if head.totals.get(UNREAD))


def unread(workplace: Workplace, feed: str, errors: Mapping[str, str]) -> Iterator[NewPublication]:
    """What to publish for windows (window -> why it cannot be read); nothing where it is said."""
    table = f"deliveries/{feed}"
    heads = workplace.register.heads(table, list(errors))
    for window, error in errors.items():
        day = window_day(window)
        before = _published(workplace, heads.get(window))
        told = pl.DataFrame([deliveries.unreadable(feed, window, day, error)], schema=DELIVERIES)
        frame = pl.concat([_still_true(before), told], rechunk=True)
        if not frame.equals(before):
            file = workplace.store.write(table, window, frame)
            yield NewPublication(table, window, (file,), frame.height, _totals(day))


def _published(workplace: Workplace, head: Publication | None) -> pl.DataFrame:
    paths = workplace.store.paths([head]) if head is not None else []
    return pl.read_parquet(paths) if paths else pl.DataFrame(schema=DELIVERIES)


def _still_true(before: pl.DataFrame) -> pl.DataFrame:
    """All but what said that nothing came, or why an earlier one could not be read."""
    about_arrival = (pl.col("check") == "arrival") & pl.col("extract_sha256").is_null()
    return before.filter(~about_arrival)


def _totals(day: date) -> dict[str, object]:
    return {"first_period": day.isoformat(), "last_period": day.isoformat(), UNREAD: True}
