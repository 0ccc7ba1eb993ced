"""What a statement is made from: lines, quarantine, deliveries and outcomes of its days."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

import polars as pl

from tieout.engine.duck import Engine, session
from tieout.errors import RequestError
from tieout.lines.columns import DELIVERIES, QUARANTINE
from tieout.matching.columns import outcomes
from tieout.matching.inputs import SIDES, show_lines, side_kinds, side_of, side_tables
from tieout.model import SideName
from tieout.periods import DAY_FORMAT, Period, window_end
from tieout.register.records import Publication
from tieout.rules import Reconciliation
from tieout.workplace import Workplace

NEVER = date(1, 1, 1)
"""Last day delivered of a feed that has delivered nothing: nothing is overdue yet."""

Stage = Literal["lines", "duplicates", "quarantine", "deliveries"]


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
    ends = [_side_through(workplace, side_of(reconciliation, side).feeds) for side in SIDES]
    return Through(*ends)


def _side_through(workplace: Workplace, feeds: Sequence[str]) -> date:
    """The earliest end among the feeds that have delivered at all."""
    ends = [_through(workplace, feed) for feed in feeds]
    return min((end for end in ends if end != NEVER), default=NEVER)


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
    workplace: Workplace, name: str, periods: Sequence[Period]
) -> Iterator[tuple[Engine, Through]]:
    """A session with views period_asked, outcome, known_line, removed_line, refused_row,
    undelivered, source_delivery and target_delivery for the periods, pruned by published totals.
    """
    with session(workplace.store.root, workplace.settings.limits) as engine:
        yield engine, show(engine, workplace, name, periods)


def show(engine: Engine, workplace: Workplace, name: str, periods: Sequence[Period]) -> Through:
    """Make the views of `reading` in a session; those of another moment are replaced."""
    base = base_of(workplace, name)
    reconciliation = workplace.settings.reconciliations[base]
    chain = base != name
    engine.frame("period_asked", asked(periods))
    fine = "usage" in side_kinds(workplace, base).values()
    engine.view("outcome", _outcome_paths(workplace, name, periods), outcomes(fine))
    stages: tuple[tuple[str, Literal["lines", "duplicates"]], ...] = (
        ("known_line", "lines"),
        ("removed_line", "duplicates"),
    )
    for view, stage in stages:
        found = _publications(workplace, reconciliation, stage, periods, chain)
        show_lines(engine, workplace, base, view, found, stage)
    _show_refusals(engine, workplace, reconciliation, periods, chain)
    return delivered_through(workplace, name)


def asked(periods: Sequence[Period]) -> pl.DataFrame:
    """Table period_asked: first_day, last_day; each period once."""
    rows = [(p.first, p.last) for p in sorted(set(periods))]
    schema = {"first_day": pl.Date, "last_day": pl.Date}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _outcome_paths(workplace: Workplace, name: str, periods: Sequence[Period]) -> list[str]:
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
    source_only: bool,
) -> list[Publication]:
    """Heads of a stage whose rows may count in the periods."""
    first = f"{min(p.first for p in periods):{DAY_FORMAT}}"
    last = f"{max(p.last for p in periods):{DAY_FORMAT}}"
    sides: tuple[SideName, ...] = ("source",) if source_only else SIDES
    tables = {table for side in sides for table in side_tables(reconciliation, side, stage)}
    return [
        head
        for table in sorted(tables)
        for head in workplace.register.heads(table).values()
        if _may_count(head.totals, first, last)
    ]


def _may_count(totals: Any, first: str, last: str) -> bool:
    """Whether a window's rows may fall into a range of days, by the days its totals name."""
    begins, ends = totals.get("first_period"), totals.get("last_period")
    return begins is None or ends is None or (begins <= last and ends >= first)


def _show_refusals(
    engine: Engine,
    workplace: Workplace,
    reconciliation: Reconciliation,
    periods: Sequence[Period],
    source_only: bool,
) -> None:
    """Views of what did not become a line."""
    shown: tuple[tuple[Stage, str, Any], ...] = (
        ("quarantine", "quarantine", QUARANTINE),
        ("deliveries", "delivery", DELIVERIES),
    )
    for stage, view, schema in shown:
        found = _publications(workplace, reconciliation, stage, periods, source_only)
        for side in SIDES:
            tables = set(side_tables(reconciliation, side, stage))
            paths = workplace.store.paths(p for p in found if p.table in tables)
            engine.view(f"{side}_{view}", paths, schema)
    signs = {f"{side}_sign": side_of(reconciliation, side).sign for side in SIDES}
    engine.run("refused_row", **signs)
    engine.run("undelivered", **signs)
