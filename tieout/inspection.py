"""A first look at a file: which format it is, how it reads, what holds and what would be refused.

Nothing is kept: no register, no store. The very code that makes lines reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl

from tieout.errors import ExtractError
from tieout.formats.catalogue import formats, recognised
from tieout.formats.mapping import Plan, Surroundings
from tieout.formats.models import Format
from tieout.formats.readers import read_extract
from tieout.formats.reading import Request
from tieout.lines import deliveries
from tieout.lines.convert import Converter
from tieout.lines.delivery import Delivery, Source
from tieout.lines.feedrun import FeedRun, dialect_of
from tieout.lines.manifest import manifest_of_extract
from tieout.lines.window import Part, Window, delivery_json
from tieout.location import MANIFEST, manifest_of
from tieout.money import plain_amount
from tieout.register.records import TakenExtract
from tieout.settings import Feed, Kind, Limits, Settings
from tieout.store import fingerprint

MOST_SHOWN = 20
"""Quarantined rows that are shown; all are counted."""
NO_ENTITY = "unknown"
"""Entity of a file that names none, looked at without a feed that says it."""
_GROUPED_BY: dict[Kind, str] = {
    "settlement": "category",
    "usage": "meter",
    "invoice": "line_type",
    "ledger": "account_class",
    "event": "type",
}


@dataclass(frozen=True)
class Inspection:
    """What a file is and what would become of it.

    `formats`: names of the formats it may be, the likeliest first; it was read as that one. `rows`
    counts rows of the file (received, accepted, quarantined, duplicates ...). `lines`: group,
    currency, count and amount (text) of the lines it gives. `checks`: every comparison with
    control totals and with itself, passed ones too. `quarantined`: the first refused rows.
    `error`: why it cannot be read.
    """

    file: str
    sha256: str
    bytes: int
    formats: tuple[str, ...] = ()
    kind: str | None = None
    rows: dict[str, int] = field(default_factory=dict)
    first_day: date | None = None
    last_day: date | None = None
    lines: tuple[dict[str, Any], ...] = ()
    checks: tuple[dict[str, Any], ...] = ()
    quarantined: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    error: str | None = None

    @property
    def holds(self) -> bool:
        """Whether it can be read, nothing is refused and every control total agrees."""
        failed = any(c.get("break_class") for c in self.checks)
        return self.error is None and not failed and not self.rows.get("quarantined", 0)

    def as_json(self) -> dict[str, Any]:
        """The inspection as one JSON object; amounts are text."""
        return {
            "file": self.file,
            "sha256": self.sha256,
            "bytes": self.bytes,
            "formats": list(self.formats),
            "kind": self.kind,
            "rows": self.rows,
            "first_day": self.first_day.isoformat() if self.first_day else None,
            "last_day": self.last_day.isoformat() if self.last_day else None,
            "lines": list(self.lines),
            "checks": list(self.checks),
            "quarantined": list(self.quarantined),
            "notes": list(self.notes),
            "error": self.error,
        }


def inspect(path: Path, settings: Settings | None = None) -> Inspection:
    """Look at a file. With settings their entities, own formats and the fitting feed's options
    count.

    A file that cannot be read gives an Inspection with `error`. Raises ExtractError when there is
    none.
    """
    sha256, size = fingerprint(path)
    about = Inspection(path.name, sha256, size)
    try:
        fitting = _fitting(path, settings)
        return _read(path, about, fitting, settings)
    except ExtractError as problem:
        return replace(about, error=str(problem))


def _fitting(path: Path, settings: Settings | None) -> list[Format]:
    """Formats the file may be of. Raises ExtractError when it is none that is known."""
    known = formats(settings)
    found: list[Format] = []
    problems: list[ExtractError] = []
    headers: tuple[str, ...] = ()
    for layout in known.values():
        request = _request(layout, settings)
        try:
            seen = next(iter(read_extract(path, path.name, request))).table.headers
        except ExtractError as problem:
            problems.append(problem)
            continue
        if recognised(seen, {layout.name: layout}):
            found.append(layout)
        headers = headers or seen
    if found:
        return sorted(found, key=lambda f: (-len(f.recognise), f.name))
    # The most telling problem is the one of a format whose columns are there, only cut otherwise.
    telling = [p for p in problems if "separated by" in p.problem or "exact" in p.problem] or (
        problems if not headers else []
    )
    if telling:
        raise telling[0]
    raise ExtractError(
        f"no known format has these columns: {', '.join(headers[:40])}{_nearest(known, headers)}",
        f"known are {', '.join(sorted(known))}; a format of your own is one YAML file",
        path.name,
    )


def _nearest(known: Mapping[str, Format], headers: Sequence[str]) -> str:
    """What lacks of the format that shares most columns with the file, half of its own or more."""
    there = {header.casefold() for header in headers}

    def missing(layout: Format) -> list[str]:
        return [
            column.headers[0]
            for column in layout.columns.values()
            if column.required
            and not {h.casefold() for h in (*column.headers, *column.aliases)} & there
        ]

    def share(layout: Format) -> Fraction:
        needed = sum(column.required for column in layout.columns.values())
        return Fraction(needed - len(missing(layout)), needed) if needed else Fraction(0)

    best = max(known.values(), key=lambda layout: (share(layout), layout.name))
    if share(best) < Fraction(1, 2):
        return ""
    return f"; nearest is {best.name}, which also needs {', '.join(missing(best))}"


def read_once(
    path: Path, layout: Format, settings: Settings | None = None
) -> tuple[Window, pl.DataFrame, pl.DataFrame]:
    """The window, the lines (columns of the kind) and the quarantine rows of a file in a format.

    Raises ExtractError when it cannot be read.
    """
    sha256, size = fingerprint(path)
    day = _received(path)
    beside = path.with_name(path.name + MANIFEST)
    given = manifest_of(beside.read_bytes()) if beside.is_file() else None
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
    taken = TakenExtract("inspected", str(day), path.name, sha256, size, "", moment, given)
    window = Window(taken.window, taken.feed, layout.kind, day, {0: taken})
    manifest_of_extract(taken, settings.entity_names() if settings is not None else None)
    parts: list[Part] = []

    def take(_window: Window, part: Part, _last: bool) -> None:
        parts.append(part)

    request = _request(layout, settings)
    FeedRun(_converter(layout, settings), request, lambda _: path, take).run([window])
    if window.error is not None:
        raise ExtractError(window.error)
    return window, pl.concat([p.lines for p in parts]), pl.concat([p.quarantine for p in parts])


def _read(
    path: Path, about: Inspection, fitting: list[Format], settings: Settings | None
) -> Inspection:
    layout = fitting[0]
    window, lines, quarantine = read_once(path, layout, settings)
    checks = _checks(window, layout, settings)
    tally = window.tallies[0]
    again = lines.filter(lines["line_id"].is_duplicated())["line_id"]
    notes = [*window.notes]
    if again.len():
        notes.append(f"{again.n_unique()} line id(s) come more than once, first {again[0]}")
    return replace(
        about,
        formats=tuple(f.name for f in fitting),
        kind=layout.kind,
        rows={
            "received": tally.rows,
            "accepted": tally.accepted,
            "quarantined": tally.refused,
            **tally.skipped,
        },
        first_day=_day(lines["period"].min()),
        last_day=_day(lines["period"].max()),
        lines=tuple(_sums(lines, layout.kind)),
        checks=tuple(delivery_json(c) for c in checks),
        quarantined=tuple(_refused(quarantine)),
        notes=tuple(notes),
    )


def _checks(window: Window, layout: Format, settings: Settings | None) -> list[Delivery]:
    taken = window.extracts[0]
    source = Source(taken.feed, window.received_on, taken.sha256, taken.name)
    given = manifest_of_extract(taken)
    names = settings.entity_names() if settings is not None else {}
    stated = window.stated.get(0, [])
    return deliveries.compare(source, window.tallies[0], layout, given, stated, names)


def _received(path: Path) -> date:
    """A file that is only looked at counts as received on the day it was last written."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).date()


def _feed(layout: Format, settings: Settings | None) -> Feed | None:
    """The feed of that format, where there is one."""
    feeds = settings.feeds.values() if settings is not None else ()
    return next((f for f in feeds if f.format == layout.name), None)


def _request(layout: Format, settings: Settings | None) -> Request:
    feed = _feed(layout, settings)
    limits = settings.limits if settings is not None else Limits()
    return Request(layout, feed.options if feed else {}, limits)


def _converter(layout: Format, settings: Settings | None) -> Converter:
    feed = _feed(layout, settings)
    options = feed.options if feed else {}
    # A feed that names no entity leaves it to its rows, as a run does.
    entity = feed.entity if feed else NO_ENTITY
    names = settings.entity_names() if settings is not None else None
    accounts = {
        (code, account): account_class
        for code, mapped in (settings.accounts if settings is not None else {}).items()
        for account, account_class in mapped.items()
    }
    around = Surroundings(names, entity, accounts)
    start = settings.calendar.start if settings is not None else None
    return Converter(Plan(layout), around, dialect_of(layout, options), start)


def _sums(lines: pl.DataFrame, kind: Kind) -> Iterator[dict[str, Any]]:
    group = _GROUPED_BY[kind]
    sums = lines.group_by(group, "currency").agg(pl.len(), pl.col("amount").sum())
    for name, currency, count, amount in sums.sort(group, "currency").iter_rows():
        shown = plain_amount(amount, currency)
        yield {"group": name, "currency": currency, "count": count, "amount": shown}


def _refused(quarantine: pl.DataFrame) -> Iterator[dict[str, Any]]:
    wanted = ("row_number", "reason", "column", "value", "message", "remedy", "row")
    yield from quarantine.sort("row_number").head(MOST_SHOWN).select(wanted).iter_rows(named=True)


def _day(value: object) -> date | None:
    return value if isinstance(value, date) else None
