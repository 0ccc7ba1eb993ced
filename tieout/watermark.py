"""How far a sender's events have been seen: what stands on every statement they take part in.

It is read from what was published with the lines, so it says what the inbox held when the statement
was made. It depends on the set of events alone, not on when or in which order they came.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from tieout.model import Watermark
from tieout.periods import Period
from tieout.register.records import Publication
from tieout.stale import feeds_of
from tieout.workplace import Workplace


def watermarks_of(
    workplace: Workplace, name: str, periods: Sequence[Period]
) -> dict[Period, tuple[Watermark, ...]]:
    """The watermark of each inbox feed of a reconciliation, or of the links of a chain, for each
    period; empty where no feed is an inbox.
    """
    found: dict[Period, list[Watermark]] = {period: [] for period in periods}
    for feed in feeds_of(workplace.settings, name):
        if workplace.settings.feeds[feed].inbox is None:
            continue
        lines = workplace.register.heads(f"lines/{feed}")
        deliveries = workplace.register.heads(f"deliveries/{feed}")
        for period, marks in found.items():
            told = _within(lines, period), _within(deliveries, period)
            marks.append(_watermark(feed, *told, ZoneInfo(workplace.settings.timezone)))
    return {period: tuple(marks) for period, marks in found.items()}


def _within(heads: dict[str, Publication], period: Period) -> list[Publication]:
    return [
        head
        for window, head in heads.items()
        if period.first <= date.fromisoformat(window[:10]) <= period.last
    ]


def _watermark(
    feed: str, lines: Iterable[Publication], deliveries: Iterable[Publication], zone: ZoneInfo
) -> Watermark:
    """The watermark; its moment is in the zone of reports, and the same moment in any."""
    told = [head.totals["watermark"] for head in lines if "watermark" in head.totals]
    gaps = [gap for head in deliveries for gap in head.totals.get("gaps", ())]
    return Watermark(
        feed=feed,
        events=sum(one["events"] for one in told),
        last_event=max(
            (datetime.fromisoformat(one["last"]).astimezone(zone) for one in told if one["last"]),
            default=None,
        ),
        dead_letters=sum(one["dead"] for one in told),
        gaps=tuple(sorted((account, first, last) for account, _, first, last in gaps)),
    )
