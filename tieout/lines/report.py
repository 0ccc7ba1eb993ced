"""What became of a window, for whoever asked for its lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from tieout.lines.window import Window
from tieout.register.records import NewPublication, Publication


@dataclass(frozen=True)
class WindowReport:
    """What became of one window. `rows` counts rows of the files, `lines` and `totals` count lines.

    `totals`: currency -> received, accepted, quarantined, duplicates -> count and amount (text).
    """

    feed: str
    window: str
    status: Literal["published", "unchanged", "missing", "failed"]
    error: str | None = None
    extracts: tuple[str, ...] = ()
    rows: dict[str, int] = field(default_factory=dict)
    lines: int = 0
    totals: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    notes: tuple[str, ...] = ()


def published_report(feed: str, window: str, lines: NewPublication) -> WindowReport:
    """The report of a window that was worked."""
    missing = not lines.totals["extracts"]
    return _report(feed, window, "missing" if missing else "published", lines)


def unchanged_report(feed: str, window: str, head: Publication) -> WindowReport:
    """The report of a window in which nothing has changed: the figures of its publication."""
    return _report(feed, window, "unchanged", head)


def _report(
    feed: str,
    window: str,
    status: Literal["published", "unchanged", "missing"],
    lines: NewPublication | Publication,
) -> WindowReport:
    known = lines.totals
    return WindowReport(
        feed,
        window,
        status,
        extracts=tuple(known["extracts"]),
        rows=dict(known["rows"]),
        lines=lines.rows,
        totals=dict(known["totals"]),
        deliveries=list(known["failed"]),
        notes=tuple(known["notes"]),
    )


def failed_report(feed: str, window: Window) -> WindowReport:
    """The report of a window whose extract cannot be read."""
    sums = tuple(e.sha256 for e in window.extracts.values())
    return WindowReport(feed, window.key, "failed", error=window.error, extracts=sums)
