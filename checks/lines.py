"""Lines: the schema holds, the extract is there, it ties to its control totals, no row is lost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import dagster as dg
import polars as pl

from assets.partitions import partitions
from checks.findings import Check, Finding, Findings, checks_of
from checks.published import WINDOW, differences, scan_windows
from tieout.lines.columns import DELIVERIES, QUARANTINE, Columns, columns
from tieout.lines.duplicates import DUPLICATE_OF
from tieout.lines.models import calendar_range
from tieout.lines.unread import unread_windows
from tieout.model import Figure
from tieout.money import FINE_AMOUNT, NO_CURRENCY, known_currencies, text_amount
from tieout.register.records import Publication
from tieout.settings import Kind, Settings
from tieout.timetable import shown_in
from tieout.workplace import Workplace

_FILLED = (
    "feed line_id extract_sha256 row_number received_on entity currency amount occurred_on period"
).split()
"""Columns that every line has a value in."""
_SHOWN = 3
_PARTS = ("accepted", "quarantined", "duplicates")
Heads = Mapping[str, Publication]


@dataclass(frozen=True, slots=True)
class _Feed:
    """The feed whose lines are checked."""

    name: str
    kind: Kind

    def heads(self, workplace: Workplace, table: str, windows: Sequence[str]) -> Heads:
        return workplace.register.heads(f"{table}/{self.name}", windows)

    def schema(self, workplace: Workplace, windows: Sequence[str]) -> Findings:
        """Looks at the files' columns, at the values in them, and at what could not be read."""
        heads = self.heads(workplace, "lines", windows)
        wrong = _wrong_values(scan_windows(workplace, heads, columns(self.kind)), workplace, self)
        pending = _not_worked_in(workplace, self.name, windows, heads)
        return {
            window: _schema_finding(
                heads.get(window),
                _other_columns(workplace, heads.get(window), columns(self.kind)),
                wrong.get(window, {}),
                pending.get(window),
            )
            for window in windows
        }

    def arrival(self, workplace: Workplace, windows: Sequence[str]) -> Findings:
        """Looks for an extract of each window whose time is up."""
        there: defaultdict[str, int] = defaultdict(int)
        for extract in workplace.register.extracts(self.name, windows):
            there[extract.window] += 1
        feed, now = workplace.settings.feeds[self.name], datetime.now(UTC)
        return {
            w: _arrival_finding(
                there[w],
                shown_in(workplace.settings.timezone, feed.due(w)),
                overdue=feed.is_overdue(w, now),
                why_not=feed.expected.why_not(w) if feed.names_windows else None,
            )
            for w in windows
        }

    def control_totals(self, workplace: Workplace, windows: Sequence[str]) -> Findings:
        """Looks at every comparison of an extract with itself and with what its sender states."""
        heads = self.heads(workplace, "deliveries", windows)
        compared = scan_windows(workplace, heads, DELIVERIES).filter(pl.col("check") != "arrival")
        found: defaultdict[str, list[tuple[str | None, str]]] = defaultdict(list)
        rows = compared.select(WINDOW, "break_class", "explanation").collect()
        for window, break_class, explanation in rows.iter_rows():
            found[window].append((break_class, explanation))
        return {window: _control_finding(found[window]) for window in windows}

    def conservation(self, workplace: Workplace, windows: Sequence[str]) -> Findings:
        """Counts the files of the three tables again and holds them to what was received."""
        tables = {
            "accepted": ("lines", columns(self.kind)),
            "quarantined": ("quarantine", QUARANTINE),
            "duplicates": ("duplicates", {**columns(self.kind), DUPLICATE_OF: pl.Int64()}),
        }
        scans = {
            part: scan_windows(workplace, self.heads(workplace, table, windows), schema)
            for part, (table, schema) in tables.items()
        }
        sums = {part: _sums(rows) for part, rows in scans.items()}
        source_rows = _source_rows(list(scans.values()))
        heads = self.heads(workplace, "lines", windows)
        return {
            window: _conservation_finding(
                heads.get(window),
                {part: sums[part].get(window, {}) for part in _PARTS},
                source_rows.get(window, 0),
            )
            for window in windows
        }


def line_checks(feed: str, kind: Kind, settings: Settings) -> dg.AssetChecksDefinition:
    """The checks of `lines/<feed>`."""
    look = _Feed(feed, kind)
    return checks_of(
        ["lines", feed],
        partitions(settings, settings.feeds[feed].every),
        [
            Check(
                "schema",
                "Reads the published files: the columns and types of the kind, no required value "
                "missing, known currencies and entities; and every extract taken in is worked in.",
                look.schema,
            ),
            Check(
                "arrival",
                "An extract of the window is there once its time to arrive is over.",
                look.arrival,
            ),
            Check(
                "control_totals",
                "Every extract agrees with its control totals, its batches and balances with "
                "themselves.",
                look.control_totals,
            ),
            Check(
                "conservation",
                "Counts and sums the published files again: received = accepted + quarantined + "
                "duplicates, in rows, in lines and in the amount of each currency.",
                look.conservation,
            ),
        ],
    )


def _other_columns(workplace: Workplace, head: Publication | None, wanted: Columns) -> list[str]:
    """What differs between the columns of a publication's files and those of the kind."""
    paths = workplace.store.paths([head]) if head else []
    return [told for path in paths for told in differences(path, wanted)]


def _wrong_values(
    rows: pl.LazyFrame, workplace: Workplace, feed: _Feed
) -> dict[str, dict[str, int]]:
    """How many lines of each window break a rule, by rule."""
    settings = workplace.settings
    first, last = calendar_range(settings.calendar.start)
    rules = {f"no {name}": pl.col(name).is_null() for name in _FILLED}
    rules |= {
        "another feed": pl.col("feed") != feed.name,
        "unknown currency": ~pl.col("currency").is_in(sorted(known_currencies())),
        "unknown entity": ~pl.col("entity").is_in(sorted(settings.entities)),
        "outside the calendar": pl.col("period").is_between(first, last).not_(),
    }
    counts = [rule.sum().alias(name) for name, rule in rules.items()]
    found = rows.group_by(WINDOW).agg(counts).collect(engine="streaming")
    return {
        row[WINDOW]: {name: row[name] for name in rules if row[name]}
        for row in found.iter_rows(named=True)
    }


def _not_worked_in(
    workplace: Workplace, feed: str, windows: Sequence[str], heads: Heads
) -> dict[str, str]:
    """Extracts that were taken in and are not what is published, by window.

    Also those whose data is published and whose manifest turned bad since: the window says so.
    """
    names: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for extract in workplace.register.extracts(feed, windows):
        names[extract.window][extract.sha256] = extract.name
    told = scan_windows(
        workplace, workplace.register.heads(f"deliveries/{feed}", windows), DELIVERIES
    )
    nothing_read = (pl.col("check") == "arrival") & pl.col("break_class").is_not_null()
    why = dict(told.filter(nothing_read).select(WINDOW, "explanation").collect().iter_rows())
    unread = unread_windows(workplace, feed, windows)
    pending = {}
    for window, extracts in names.items():
        worked = set(heads[window].totals["extracts"]) if window in heads else set()
        if window in unread:
            worked = set()
        if left := sorted(name for sha256, name in extracts.items() if sha256 not in worked):
            pending[window] = why.get(window, f"{', '.join(left)}: not read yet")
    return pending


def _schema_finding(
    head: Publication | None, other: Sequence[str], wrong: Mapping[str, int], pending: str | None
) -> Finding:
    if pending is not None:
        return Finding(False, pending, unreadable=pending)
    if head is None:
        return Finding(False, "nothing is published")
    if other:
        return Finding(False, "; ".join(other[:_SHOWN]), {"differences": len(other)})
    if wrong:
        told = "; ".join(f"{name}: {count:,} lines" for name, count in wrong.items())
        return Finding(False, told, dict(wrong))
    return Finding(True, f"{head.rows:,} lines fit", {"lines": head.rows})


def _arrival_finding(extracts: int, due: str, *, overdue: bool, why_not: str | None) -> Finding:
    figures = {"extracts": extracts, "due": due}
    if extracts:
        return Finding(True, f"{extracts} extract(s) are there", figures)
    if why_not is not None:
        return Finding(True, f"none is there, and none is expected: {why_not}", {"extracts": 0})
    if not overdue:
        return Finding(True, "none is there, and none is due yet", figures)
    return Finding(False, f"no extract is there, and it was due {due}", figures)


def _control_finding(compared: Sequence[tuple[str | None, str]]) -> Finding:
    classes: defaultdict[str, int] = defaultdict(int)
    told = []
    for break_class, explanation in compared:
        if break_class is not None:
            classes[break_class] += 1
            told.append(explanation)
    figures = {"comparisons": len(compared), **classes}
    if not told:
        return Finding(True, f"{len(compared)} comparisons hold", figures)
    more = f"; and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    return Finding(False, "; ".join(told[:_SHOWN]) + more, figures)


def _sums(rows: pl.LazyFrame) -> dict[str, dict[str, Figure]]:
    """Count and amount by window and currency."""
    amount = pl.col("amount").cast(FINE_AMOUNT).sum()
    found = rows.group_by(WINDOW, "currency").agg(pl.len(), amount).collect(engine="streaming")
    sums: defaultdict[str, dict[str, Figure]] = defaultdict(dict)
    for window, currency, count, total in found.iter_rows():
        sums[window][currency] = Figure(count, total)
    return sums


def _source_rows(tables: Sequence[pl.LazyFrame]) -> dict[str, int]:
    """Rows of extracts that are in any of the tables, by window."""
    rows = pl.concat([t.select(WINDOW, "extract_sha256", "row_number") for t in tables]).unique()
    return dict(rows.group_by(WINDOW).len().collect(engine="streaming").iter_rows())


def _conservation_finding(
    head: Publication | None, counted: Mapping[str, Mapping[str, Figure]], source_rows: int
) -> Finding:
    if head is None:
        return Finding(False, "nothing is published")
    rows: Mapping[str, int] = head.totals["rows"]
    ended = sum(rows[part] for part in _PARTS)
    left_out = sum(count for word, count in rows.items() if word not in ("received", *_PARTS))
    wrong = []
    if rows["received"] != ended + left_out:
        wrong.append(
            f"{rows['received']:,} rows were received, {ended + left_out:,} ended somewhere"
        )
    if source_rows != ended:
        wrong.append(f"{ended:,} rows should be in the tables, {source_rows:,} are")
    totals: Mapping[str, Mapping[str, Mapping[str, Any]]] = head.totals["totals"]
    for currency in sorted({*totals, *(c for part in counted.values() for c in part)}):
        stated = totals.get(currency, {})
        parts = {part: counted[part].get(currency, Figure()) for part in _PARTS}
        whole = sum(parts.values(), Figure())
        for name, figure in {**parts, "received": whole}.items():
            difference = figure - _figure(stated.get(name))
            if difference != Figure():
                off = _shown(difference.amount, currency)
                wrong.append(f"{name}: off by {difference.count:,} lines and {off} {currency}")
    figures = {"rows received": rows["received"], "rows counted again": source_rows + left_out}
    return Finding(not wrong, "; ".join(wrong) or f"{rows['received']:,} rows, none lost", figures)


def _shown(amount: Decimal, currency: str) -> str:
    """The amount; a file may hold any currency."""
    return text_amount(amount, currency if currency in known_currencies() else NO_CURRENCY)


def _figure(given: Mapping[str, Any] | None) -> Figure:
    return Figure(given["count"], Decimal(given["amount"])) if given else Figure()
