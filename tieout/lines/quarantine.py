"""The quarantine for people: list what was refused, show one row, let corrected windows in again.

A refused row is let in by reading its extract again under the configuration and formats of now:
nothing is edited by hand, and what is still wrong is refused again.
"""

from __future__ import annotations

import polars as pl

from tieout.errors import TieoutError
from tieout.lines.columns import QUARANTINE
from tieout.lines.ingest import WindowReport, refresh_lines
from tieout.register.records import Publication
from tieout.workplace import Workplace


def listing(workplace: Workplace, feed: str | None = None) -> pl.DataFrame:
    """All refused rows, of one feed or of all: QUARANTINE and `window`, by feed, window and row.

    Raises TieoutError for a feed that there is not.
    """
    frames = [pl.DataFrame(schema={"window": pl.String(), **QUARANTINE})]
    for name in _feeds(workplace, feed):
        for window, head in _refused_windows(workplace, name).items():
            rows = pl.read_parquet(workplace.store.paths([head]))
            frames.append(rows.select(pl.lit(window).alias("window"), *QUARANTINE))
    return pl.concat(frames).sort("feed", "window", "extract_sha256", "row_number")


def show(workplace: Workplace, feed: str, extract: str, row_number: int) -> dict[str, object]:
    """One refused row with everything known of it; `extract` is the beginning of its sha256.

    Raises TieoutError when there is none, or when several extracts begin like that.
    """
    rows = listing(workplace, feed).filter(
        pl.col("extract_sha256").str.starts_with(extract.lower()),
        pl.col("row_number") == row_number,
    )
    if rows["extract_sha256"].n_unique() > 1:
        raise TieoutError(
            f"{rows['extract_sha256'].n_unique()} extracts begin with {extract!r}",
            "give more of the sha256",
        )
    if not rows.height:
        raise TieoutError(
            f"row {row_number} of extract {extract!r} of {feed} is not in quarantine",
            f"`tieout quarantine list --feed {feed}` says what is",
        )
    return rows.row(0, named=True)


def readmit(workplace: Workplace, feed: str | None = None, *, run_id: str) -> list[WindowReport]:
    """Read the windows that have refused rows again; returns a report for each of them.

    Windows are read even where nothing seems to have changed. Raises TieoutError for an unknown
    feed.
    """
    reports = []
    for name in _feeds(workplace, feed):
        windows = list(_refused_windows(workplace, name))
        if windows:
            reports += refresh_lines(workplace, name, windows, run_id=run_id, again=True)
    return reports


def _feeds(workplace: Workplace, feed: str | None) -> list[str]:
    feeds = sorted(workplace.settings.feeds)
    if feed is not None and feed not in feeds:
        raise TieoutError(f"no feed {feed!r}", f"feeds are {', '.join(feeds)}")
    return feeds if feed is None else [feed]


def _refused_windows(workplace: Workplace, feed: str) -> dict[str, Publication]:
    heads = workplace.register.heads(f"quarantine/{feed}")
    return {window: head for window, head in heads.items() if head.rows}
