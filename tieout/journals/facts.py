"""What could be corrected: breaks and residuals of a period, gathered to facts.

A fact is what one correction would settle: a line that is missing, a group of lines the ledger has
in one posting, a posting and the lines that stand against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from tieout.engine.duck import Engine, session
from tieout.lines.columns import columns
from tieout.matching.columns import outcomes
from tieout.matching.inputs import SIDES, side_kinds, side_of, side_tables
from tieout.matching.known import moved, show_known
from tieout.periods import DAY_FORMAT, Period
from tieout.register.records import Publication
from tieout.rules import Reconciliation
from tieout.settings import Settings
from tieout.statement_inputs import delivered_through
from tieout.workplace import Workplace

Name = tuple[str, str]
"""A fact: reconciliation and the fact's own name in it."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact. Source amounts are as in the outcomes, `posting_amount` is debit less credit.

    `lines` counts its breaks (or residuals) in the period, `breaks` the same by entity.
    """

    reconciliation: str
    fact: str
    break_class: str | None
    last_class: str | None
    lines: int
    breaks: Mapping[str, int]
    waits: bool
    is_residual: bool
    is_suggested: bool
    is_decided: bool
    is_delivery: bool
    label: str | None
    residual: Decimal | None
    group_count: int | None
    source_count: int
    source_amount: Decimal | None
    source_entity: str | None
    source_currency: str | None
    source_component: str | None
    source_last_component: str | None
    source_first_day: date | None
    source_last_day: date | None
    source_feed: str | None
    source_line: str | None
    source_keys: tuple[str | None, ...]
    pass_name: str | None
    target_count: int
    target_feed: str | None
    target_line: str | None
    digest: str
    posting_entity: str | None
    posting_currency: str | None
    posting_day: date | None
    posting_amount: Decimal | None
    posting_account: str | None
    posting_class: str | None
    journal_ref: str | None
    line_ref: str | None
    document_ref: str | None
    batch_ref: str | None
    category: str | None
    contra_account: str | None
    parked_account: str | None

    @property
    def name(self) -> Name:
        """The fact among those of all reconciliations."""
        return self.reconciliation, self.fact


@dataclass(frozen=True, slots=True)
class Booked:
    """What another reconciliation says of a fact's source lines: how many have a posting there, and
    how many may still get one."""

    booked: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Known:
    """Facts of a period, by reconciliation, day and name; which of them share source lines; and
    what another reconciliation knows of a fact's source lines."""

    facts: tuple[Fact, ...]
    shared: tuple[tuple[Name, Name], ...]
    booked: Mapping[tuple[Name, str], Booked]


def posts_to_ledger(workplace: Workplace, name: str) -> bool:
    """Whether a reconciliation's target side is a ledger; a chain proposes nothing of its own."""
    reconciliation = workplace.settings.reconciliations[name]
    return reconciliation.chain is None and side_kinds(workplace, name)["target"] == "ledger"


def read_facts(workplace: Workplace, period: Period) -> Known:
    """Everything about the period's breaks that a correction needs to know."""
    names = [n for n in workplace.settings.reconciliations if posts_to_ledger(workplace, n)]
    found: list[Fact] = []
    booked: dict[tuple[Name, str], Booked] = {}
    with session(workplace.store.root, workplace.settings.limits) as engine:
        engine.run("fact_line_table")
        for name in names:
            found += _facts(engine, workplace, name, period)
        days = [row[0] for row in engine.table("fact_line_days").rows()]
        around = Period(min(days), max(days)) if days else period
        for name in names:
            booked |= _booked(engine, workplace, name, around)
        rows = engine.table("shared_fact").rows()
    return Known(tuple(found), tuple(((a, b), (c, d)) for a, b, c, d in rows), booked)


def _facts(engine: Engine, workplace: Workplace, name: str, period: Period) -> Iterator[Fact]:
    reconciliation = workplace.settings.reconciliations[name]
    width = timedelta(days=_width(reconciliation))
    _show_outcomes(engine, workplace, name, period)
    engine.run(
        "difference",
        reconciliation=name,
        first_day=period.first,
        last_day=period.last,
        near_first=period.first - width,
        near_last=period.last + width,
        **delivered_through(workplace, name).parameters(),
    )
    days = engine.table("difference_days")["day"].to_list()
    around = Period(min(days) - width, max(days) + width) if days else period
    _show_lines(engine, workplace, name, around)
    engine.run("posting")
    engine.frame("posted_by", _posted_by(workplace, name))
    engine.run("fact_line")
    sign = side_of(reconciliation, "target").sign
    for row in engine.table("fact", reconciliation=name, sign=sign).iter_rows(named=True):
        yield _fact(name, row)


def _fact(name: str, row: Mapping[str, Any]) -> Fact:
    own = {f.name: row[f.name] for f in fields(Fact) if f.name in row}
    breaks = {one["key"]: one["value"] for one in row["breaks"] or ()}
    return Fact(
        **own
        | {
            "reconciliation": name,
            "breaks": breaks,
            "is_delivery": bool(row["is_delivery"]),
            "source_keys": tuple(row["source_keys"] or ()),
            "pass_name": row["pass"],
        }
    )


def _width(reconciliation: Reconciliation) -> int:
    """Days that two source lines of one posting may lie apart."""
    windows = [reconciliation.timing_days, *(p.days for p in reconciliation.passes if p.days)]
    return max(last - first for first, last in windows)


def _show_outcomes(engine: Engine, workplace: Workplace, name: str, period: Period) -> None:
    """View outcome: the period's days, and all others with something open in them: the lines of
    one difference may lie any number of days apart."""
    fine = "usage" in side_kinds(workplace, name).values()
    first, last = f"{period.first:{DAY_FORMAT}}", f"{period.last:{DAY_FORMAT}}"
    heads = workplace.register.heads(f"outcomes/{name}")
    paths = workplace.store.paths(
        head
        for day, head in heads.items()
        if head.rows and (head.totals["open"] or first <= day <= last)
    )
    engine.view("outcome", paths, outcomes(fine))


def _show_lines(engine: Engine, workplace: Workplace, name: str, around: Period) -> None:
    """Views known_line (both sides) and ledger_line (the target's, with all their columns)."""
    reconciliation = workplace.settings.reconciliations[name]
    first, last = f"{around.first:{DAY_FORMAT}}", f"{around.last:{DAY_FORMAT}}"

    def heads(table: str) -> list[Publication]:
        found = workplace.register.heads(table).values()
        return [h for h in found if _falls_into(h.totals, first, last)]

    tables = {table for side in SIDES for table in side_tables(reconciliation, side)}
    known = [h for table in sorted(tables) for h in heads(table)]
    show_known(engine, workplace, name, "known_line", known, moved(workplace, tables))
    ledgers = sorted(set(side_tables(reconciliation, "target")))
    paths = workplace.store.paths(h for table in ledgers for h in heads(table) if h.rows)
    engine.view("ledger_line", paths, columns("ledger"))


def _falls_into(totals: Mapping[str, Any], first: str, last: str) -> bool:
    begins, ends = totals.get("first_period"), totals.get("last_period")
    return begins is None or ends is None or (begins <= last and ends >= first)


def _posted_by(workplace: Workplace, name: str) -> pl.DataFrame:
    """Feeds whose lines the ledger has in one posting for each key of a pass, by its number."""
    source = side_of(workplace.settings.reconciliations[name], "source")
    grouped = [
        (feed, number)
        for feed in source.feeds
        if (number := grouping_pass(workplace.settings, name, feed)) is not None
    ]
    schema = {"feed": pl.String, "pass": pl.Int64}
    return pl.DataFrame(grouped, schema=schema, orient="row")


def grouping_pass(settings: Settings, name: str, feed: str) -> int | None:
    """Number (from 1) of the pass by whose key the ledger has a feed's lines in one posting.

    The one configured, or the only pass of a reconciliation, if it is many_to_one; else None.
    """
    passes = settings.reconciliations[name].passes
    wanted = settings.journals.posted_by.get(feed)
    for number, one in enumerate(passes, 1):
        if one.shape == "many_to_one" and (one.name == wanted or len(passes) == 1):
            return number
    return None


def _booked(
    engine: Engine, workplace: Workplace, name: str, around: Period
) -> dict[tuple[Name, str], Booked]:
    """What a reconciliation knows of the source lines of facts of the others."""
    _show_outcomes(engine, workplace, name, around)
    through = delivered_through(workplace, name).target
    rows = engine.table("booked_elsewhere", reconciliation=name, target_through=through).rows()
    return {((other, fact), name): Booked(booked, waiting) for other, fact, booked, waiting in rows}
