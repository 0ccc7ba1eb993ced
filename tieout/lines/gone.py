"""Lines of a window's last version that its new version lacks: told, for nobody asked for it."""

from __future__ import annotations

import polars as pl

from tieout.register.records import NewPublication, Publication
from tieout.store import Store

_NAMED = 3


def gone(store: Store, before: Publication, now: NewPublication | Publication) -> str | None:
    """What is to be said of the lines of `before` that are not in `now`; None where all are.

    Both are publications of one window of lines. Where the extracts are the same, a change of the
    configuration made the lines anew, and the quarantine says what it refused.
    """
    if not before.rows or before.totals["extracts"] == now.totals["extracts"]:
        return None
    left = _ids(store, before).join(_ids(store, now), on="line_id", how="anti").unique()
    names = left.sort("line_id").collect()["line_id"]
    if not names.len():
        return None
    more = " ..." if names.len() > _NAMED else ""
    verb = "is" if names.len() == 1 else "are"
    return (
        f"a new version of the extract gives {now.rows:,} instead of {before.rows:,} lines; "
        f"{names.len():,} of before {verb} gone: {', '.join(names[:_NAMED])}{more}"
    )


def _ids(store: Store, publication: NewPublication | Publication) -> pl.LazyFrame:
    paths = store.paths([publication])
    if not paths:
        return pl.LazyFrame(schema={"line_id": pl.String})
    return pl.scan_parquet(paths).select("line_id")
