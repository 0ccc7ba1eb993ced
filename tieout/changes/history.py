"""How a line and what became of it changed over the published versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

import polars as pl

from tieout.formats.catalogue import format_of
from tieout.lookup import carries
from tieout.money import plain_amount
from tieout.register.records import Publication
from tieout.settings import Kind
from tieout.workplace import Workplace

MOST_NAMES = 200
"""Lines whose history is shown; a batch may have a hundred thousand."""

Place = tuple[str, str]
"""A (table, partition)."""
Delivery = tuple[str, str, str]
"""A line as an extract delivers it: feed, line_id, window."""
_LINE = (
    "feed",
    "line_id",
    "extract_sha256",
    "row_number",
    "entity",
    "currency",
    "amount",
    "period",
)
_OUTCOME = (
    "outcome",
    "pass",
    "break_class",
    "counterpart_feed",
    "counterpart",
    "cleared_on",
    "due_on",
    "decision",
)


@dataclass(frozen=True, slots=True)
class LineState:
    """A line as it was known from a moment on, and what became of it in one reconciliation.

    `there` is whether the extracts had it at all; `reconciliation` is None until one has worked it
    in, and `outcome` is matched, open (a timing item, and a break of `break_class` once the other
    side is delivered through `due_on`) or duplicate. `amount` is as the sender writes it.
    """

    known_from: datetime
    run_id: str
    feed: str
    line_id: str
    window: str
    there: bool
    file: str = ""
    extract_sha256: str | None = None
    row_number: int | None = None
    entity: str | None = None
    currency: str | None = None
    amount: Decimal | None = None
    period: date | None = None
    reconciliation: str | None = None
    outcome: str | None = None
    rule: str | None = None
    break_class: str | None = None
    counterpart_feed: str | None = None
    counterpart: str | None = None
    cleared_on: date | None = None
    due_on: date | None = None
    decision: int | None = None

    def as_json(self) -> dict[str, object]:
        """The state as one JSON object; amounts are text, days and moments ISO."""
        told: dict[str, object] = {}
        for name in (f.name for f in fields(self)):
            value = getattr(self, name)
            if isinstance(value, Decimal):
                value = plain_amount(value, str(self.currency))
            told[name] = value.isoformat() if isinstance(value, date) else value
        return told


def history(workplace: Workplace, ref: str) -> list[LineState]:
    """Every state of the lines that carry a reference, or did, by line and then by time.

    A state begins with the publication that changed the line or an outcome of it.
    """
    found: list[LineState] = []
    for feed in workplace.settings.feeds:
        table = f"lines/{feed}"
        published = workplace.register.history(table)
        kind = format_of(workplace.settings, feed).kind
        names = _names(workplace, published, kind, ref)
        if not names:
            continue
        lines = _rows(workplace, published, names, _LINE)
        days = sorted({str(row["period"]) for rows in lines.values() for row in rows.values()})
        files = {e.sha256: e.name for e in workplace.register.extracts(feed, current=False)}
        for name in names:
            windows = {key[1] for key, rows in lines.items() if name in rows}
            for window in sorted(windows):
                delivery = (feed, name, window)
                own = [p for p in published if p.partition == window]
                outcomes = _outcomes(workplace, feed, name, days)
                found += _states(delivery, own, lines, outcomes, files)
    return found


def _names(
    workplace: Workplace, published: Sequence[Publication], kind: Kind, ref: str
) -> list[str]:
    paths = workplace.store.paths(published)
    if not paths:
        return []
    scan = pl.scan_parquet(paths).filter(carries(ref)(kind)).select("line_id").unique()
    return sorted(scan.collect(engine="streaming")["line_id"].to_list())[:MOST_NAMES]


Held = Mapping[tuple[str, str, int], Mapping[str, Mapping[str, Any]]]
"""(table, partition, version) -> line_id -> row."""


def _rows(
    workplace: Workplace,
    published: Sequence[Publication],
    names: Sequence[str],
    chosen: Sequence[str],
) -> Held:
    """The rows of lines in every version of what is published."""
    held: dict[tuple[str, str, int], dict[str, Mapping[str, Any]]] = {}
    for one in published:
        if paths := workplace.store.paths([one]):
            scan = pl.scan_parquet(paths).filter(pl.col("line_id").is_in(list(names)))
            rows = scan.select(chosen).collect().iter_rows(named=True)
            held[one.table, one.partition, one.version] = {row["line_id"]: row for row in rows}
    return {key: rows for key, rows in held.items() if rows}


def _outcomes(
    workplace: Workplace, feed: str, name: str, days: Sequence[str]
) -> list[tuple[Publication, Mapping[str, Any] | None]]:
    """Every version of the outcomes of a line's days, with the line's row in it."""
    found: list[tuple[Publication, Mapping[str, Any] | None]] = []
    for reconciliation in workplace.settings.reconciliations:
        published = workplace.register.history(f"outcomes/{reconciliation}", days)
        held = _rows(workplace, published, [name], (*_LINE, *_OUTCOME))
        rows = [held.get((p.table, p.partition, p.version), {}).get(name) for p in published]
        if any(row is not None and row["feed"] == feed for row in rows):
            found += zip(published, rows, strict=True)
    return found


def _states(
    delivery: Delivery,
    published: Sequence[Publication],
    lines: Held,
    outcomes: Sequence[tuple[Publication, Mapping[str, Any] | None]],
    files: Mapping[str, str],
) -> Iterator[LineState]:
    """The states of one delivery of a line in the order of time, those that say nothing new left
    out.
    """
    feed, name, window = delivery
    events: list[tuple[Publication, Mapping[str, Any] | None]] = [
        *((p, lines.get((p.table, p.partition, p.version), {}).get(name)) for p in published),
        *outcomes,
    ]
    events.sort(key=lambda event: (event[0].published_at, event[0].table, event[0].partition))
    own: Mapping[str, Any] | None = None
    fared: dict[Place, Mapping[str, Any] | None] = {}
    before: set[tuple[object, ...]] = set()
    for moment, some in groupby(events, key=lambda event: event[0].published_at):
        run = ""
        for publication, row in some:
            run = publication.run_id
            if publication.table.startswith("lines/"):
                own = row
            else:
                fared[publication.table, publication.partition] = row
        if own is None and not before:
            continue  # it has not come yet
        states = [
            LineState(moment, run, feed, name, window, there=own is not None, **facts)
            for facts in _facts(own, fared, files)
        ]
        contents = {_content(state): state for state in states}
        yield from (state for content, state in contents.items() if content not in before)
        before = set(contents)


def _content(state: LineState) -> tuple[object, ...]:
    """What a state says, but for when and by which run."""
    return tuple(getattr(state, f.name) for f in fields(state))[2:]


def _facts(
    own: Mapping[str, Any] | None,
    fared: Mapping[Place, Mapping[str, Any] | None],
    files: Mapping[str, str],
) -> Iterator[dict[str, Any]]:
    """A line with each of its outcomes; alone where it has none yet, nothing where it is gone."""
    if own is None:
        yield {}
        return
    line = {c: own[c] for c in _LINE[2:]} | {"file": files.get(own["extract_sha256"], "")}
    worked = False
    for (table, _), row in sorted(fared.items()):
        if row is not None and all(row[c] == own[c] for c in ("extract_sha256", "row_number")):
            worked = True
            became = {"rule" if c == "pass" else c: row[c] for c in _OUTCOME}
            yield line | {"reconciliation": table.removeprefix("outcomes/")} | became
    if not worked:
        yield line
