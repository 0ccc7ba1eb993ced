"""What a statement is made from: lines, quarantine, deliveries and outcomes of its days."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from tieout.engine.duck import Engine, session
from tieout.errors import RequestError
from tieout.matching.columns import outcomes
from tieout.matching.inputs import SIDES, show_lines, side_kinds, side_of, side_tables
from tieout.matching.known import (
    Moved,
    Stage,
    make_refused,
    moved,
    show_known,
    show_late_figures,
    show_refused,
)
from tieout.model import SideName
from tieout.periods import DAY_FORMAT, Period, window_end
from tieout.register.records import Publication
from tieout.rules import Reconciliation
from tieout.workplace import Workplace

NEVER = date(1, 1, 1)
"""Last day delivered of a feed that has delivered nothing: nothing is overdue yet."""


@dataclass(frozen=True)
class Through:
    """The last whole day that all feeds of each side have delivered."""

    source: date
    target: date

    @property
    def latest(self) -> date:
        """The last day anything is known of; ages count to it."""
        return max(self.source, self.target)

    def parameters(self) -> dict[str, date]:
        """For the statements in sql/."""
        return {"source_through": self.source, "target_through": self.target}


def base_of(workplace: Workplace, name: str) -> str:
    """The reconciliation whose source lines a statement counts: itself, or a chain's first link.

    Raises TieoutError for an unknown name.
    """
    reconciliation = workplace.settings.reconciliations.get(name)
    if reconciliation is None:
        known = ", ".join(workplace.settings.reconciliations)
        raise RequestError(f"no reconciliation {name!r}", f"reconciliations are {known}")
    return reconciliation.chain[0] if reconciliation.chain else name


def delivered_through(workplace: Workplace, name: str) -> Through:
    """How far the feeds of a reconciliation have come; a chain waits for both its links."""
    reconciliation = workplace.settings.reconciliations[name]
    if reconciliation.chain:
        first, second = reconciliation.chain
        links = [delivered_through(workplace, link) for link in (first, second)]
        return Through(links[0].source, min(link.target for link in links))
    feeds = [side_of(reconciliation, side).feeds for side in SIDES]
    ends = {feed: _through(workplace, feed) for feed in {*feeds[0], *feeds[1]}}
    latest = max(ends.values())
    # The earliest end among the feeds of a side that have delivered at all.
    source, target = (
        min(
            (
                _and_days_off(workplace, feed, ends[feed], latest)
                for feed in of
                if ends[feed] != NEVER
            ),
            default=NEVER,
        )
        for of in feeds
    )
    return Through(source, target)


def _and_days_off(workplace: Workplace, feed: str, end: date, latest: date) -> date:
    """The end, and the days after it on which nothing is expected of a feed.

    No further than another feed has delivered: what nobody has told of is not known.
    """
    about = workplace.settings.feeds[feed]
    if about.names_windows:
        while end < latest and not about.expects(f"{end + timedelta(days=1):{DAY_FORMAT}}"):
            end += timedelta(days=1)
    return end


def _through(workplace: Workplace, feed: str) -> date:
    """The last whole UTC day up to which a feed's latest extract reaches."""
    heads = workplace.register.heads(f"lines/{feed}")
    # What an inbox holds of a day that is not over is not the whole of it.
    delivered = [
        window
        for window, head in heads.items()
        if head.totals.get("extracts") and head.totals.get("watermark", {}).get("complete", True)
    ]
    if not delivered:
        return NEVER
    return (window_end(max(delivered)) - timedelta(days=1)).date()


@contextmanager
def reading(
    workplace: Workplace, name: str, periods: Sequence[Period], *, as_received: bool = False
) -> Iterator[tuple[Engine, Through]]:
    """A session with views period_asked, outcome, known_line, removed_line, refused_row,
    undelivered, source_delivery and target_delivery for the periods, pruned by published totals.

    `as_received`: lines count where they belong, as if no month were locked.
    """
    with session(workplace.store.root, workplace.settings.limits) as engine:
        yield engine, show(engine, workplace, name, periods, as_received=as_received)


def show(
    engine: Engine,
    workplace: Workplace,
    name: str,
    periods: Sequence[Period],
    *,
    as_received: bool = False,
) -> Through:
    """Make the views of `reading` in a session; those of another moment are replaced."""
    base = base_of(workplace, name)
    reconciliation = workplace.settings.reconciliations[base]
    chain = base != name
    engine.frame("period_asked", asked(periods))
    fine = "usage" in side_kinds(workplace, base).values()
    engine.view("outcome", outcome_paths(workplace, name, periods), outcomes(fine))
    sides: tuple[SideName, ...] = ("source",) if chain else SIDES
    stages: tuple[Stage, ...] = ("lines", "duplicates", "quarantine", "deliveries")
    known = {
        stage: _publications(workplace, reconciliation, stage, periods, sides) for stage in stages
    }
    tables = {t for s in sides for g in stages for t in side_tables(reconciliation, s, g)}
    late = moved(workplace, () if as_received else tables)
    show_known(engine, workplace, base, "known_line", known["lines"], late)
    _show_figures(engine, workplace, base, known, late)
    return delivered_through(workplace, name)


def asked(periods: Sequence[Period]) -> pl.DataFrame:
    """Table period_asked: first_day, last_day; each period once."""
    rows = [(p.first, p.last) for p in sorted(set(periods))]
    schema = {"first_day": pl.Date, "last_day": pl.Date}
    return pl.DataFrame(rows, schema=schema, orient="row")


def outcome_paths(workplace: Workplace, name: str, periods: Sequence[Period]) -> list[str]:
    """Outcomes of the periods, and of earlier days that still have something open in them."""
    first = f"{min(p.first for p in periods):{DAY_FORMAT}}"
    last = f"{max(p.last for p in periods):{DAY_FORMAT}}"
    heads = workplace.register.heads(f"outcomes/{name}")
    return workplace.store.paths(
        head
        for day, head in heads.items()
        if first <= day <= last
        or (day < first and (head.totals["open"] or head.totals["cleared_through"] >= first))
    )


def _publications(
    workplace: Workplace,
    reconciliation: Reconciliation,
    stage: Stage,
    periods: Sequence[Period],
    sides: Sequence[SideName],
) -> list[Publication]:
    """Heads of a stage whose rows may count in the periods."""
    first = f"{min(p.first for p in periods):{DAY_FORMAT}}"
    last = f"{max(p.last for p in periods):{DAY_FORMAT}}"
    tables = {table for side in sides for table in side_tables(reconciliation, side, stage)}
    return [
        head
        for table in sorted(tables)
        for head in workplace.register.heads(table).values()
        if head.files and _may_count(head.totals, first, last)
    ]


def _may_count(totals: Any, first: str, last: str) -> bool:
    """Whether a window's rows may fall into a range of days, by the days its totals name."""
    begins, ends = totals.get("first_period"), totals.get("last_period")
    return begins is None or ends is None or (begins <= last and ends >= first)


def _show_figures(
    engine: Engine,
    workplace: Workplace,
    name: str,
    known: Mapping[Stage, Sequence[Publication]],
    late: Moved,
) -> None:
    """Views of what did not become a line, and the deliveries of the periods."""
    if late.places:
        show_late_figures(engine, workplace, name, late)
    else:
        engine.run("no_late_figure")
    duplicates = late.still(known["duplicates"])
    show_lines(engine, workplace, name, "removed_line", duplicates, "duplicates")
    refused = [*known["quarantine"], *known["deliveries"]]
    make_refused(engine, workplace, name, late.still(refused))
    show_refused(engine, workplace, name, known["deliveries"])
