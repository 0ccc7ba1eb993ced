"""Reads the extracts of many windows in batches, however they are cut, and sorts out what they
give.

A batch holds rows of one huge extract or of hundreds of small ones: typing, mapping and validation
cost as much for one window as for a thousand. Memory is bounded by limits.batch_rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from tieout.errors import ExtractError
from tieout.formats.binding import Binding, bind
from tieout.formats.mapping import Plan, Surroundings
from tieout.formats.models import Format
from tieout.formats.parsing import Dialect
from tieout.formats.readers import read_extract
from tieout.formats.reading import ROW, Batch, Request, StatedTotal, Table
from tieout.lines.convert import SOURCES, Converter
from tieout.lines.members import Member, Sums, held_to, placed, sums, sums_files
from tieout.lines.refused import Held, as_dead_letters, refused_rows, torn_rows
from tieout.lines.retyped import retyped
from tieout.lines.tally import Tally, count
from tieout.lines.window import Part, Window
from tieout.settings import Settings

FORMAT_OPTION = "format."
"""A feed's option `format.date: "%m/%d/%Y"` says how it writes the dates of a column."""

Take = Callable[[Window, Part, bool], None]


@dataclass
class FeedRun:
    """One pass over windows of a feed. `locate` gives the file of an extract by its evidence."""

    converter: Converter
    request: Request
    locate: Callable[[str], Path]
    take: Take
    _waiting: list[Window] = field(default_factory=list)
    _held: list[Held] = field(default_factory=list)
    _rows: int = 0

    def run(self, windows: Sequence[Window]) -> None:
        """Read every window; `take` gets its parts in order, with True for the last one.

        A window whose extract cannot be read, or has a required column none of whose values can,
        has `error` set, and its rows go nowhere.
        """
        for window in windows:
            self._waiting.append(window)
            for number in window.extracts:
                try:
                    self._read(window, number)
                except ExtractError as problem:
                    window.error = str(problem)
                    self._held = [h for h in self._held if h.extract not in window.extracts]
                    break
            window.read = True
            self._rows += 1
            self._flush_when_full()
        self._flush()

    def _read(self, window: Window, number: int) -> None:
        extract = window.extracts[number]
        window.tallies[number] = Tally()
        bound: Binding | None = None
        opened: Table | None = None
        before: Sums = {}
        for piece in read_extract(self.locate(extract.evidence), extract.name, self.request):
            if piece.table is not opened:
                opened = piece.table
                bound = bind(
                    self.converter.layout, opened.headers, self.request.options, opened.name
                )
                window.tallies[number].names = bound.names
                if bound.new:
                    window.notes.append(f"{opened.name}: new column(s) {', '.join(bound.new)}")
                self._speak(opened)
                if not opened.alone:
                    window.members.setdefault(number, []).append(Member(opened.name, opened.above))
            if piece.batch is None:
                window.notes += [f"{opened.name}: {note}" for note in opened.notes]
                stated, before = self._stated(window, number, opened, before)
                window.stated.setdefault(number, []).extend(stated)
                continue
            assert bound is not None
            # Not kept in a name: whenever a batch is converted, a counted copy takes its place.
            window.tallies[number].rows += piece.batch.rows
            self._hold(number, piece.batch, bound)
            self._flush_when_full()

    def _stated(
        self, window: Window, number: int, table: Table, before: Sums
    ) -> tuple[list[StatedTotal], Sums]:
        """What a file states, and the control amounts up to its end where files are summed."""
        if table.alone or not sums_files(self.converter.layout):
            return table.stated, before
        # All rows of the file must have been counted before the next file's come.
        self._flush()
        now = sums(window.tallies[number])
        return held_to(table.stated, before, now), now

    def _speak(self, table: Table) -> None:
        """Parquet writes dates its own way: rows of the two kinds do not share a batch."""
        if table.iso_dates != self.converter.dialect.iso_dates:
            self._flush()
            dialect = replace(self.converter.dialect, iso_dates=table.iso_dates)
            self.converter = replace(self.converter, dialect=dialect)

    def _hold(self, number: int, batch: Batch, bound: Binding) -> None:
        most = self.request.limits.batch_rows
        for start in range(0, max(batch.frame.height, 1), most):
            raw = batch.frame.slice(start, most)
            torn = batch.torn if start == 0 else ()
            part = bound.select(raw, number)
            self._held.append(Held(number, raw, part, torn, bound.names))
            self._rows += raw.height + len(torn)
            if start + most < batch.frame.height:
                self._flush()

    def _flush_when_full(self) -> None:
        if self._rows >= self.request.limits.batch_rows:
            self._flush()

    def _flush(self) -> None:
        windows = [w for w in self._waiting if w.error is None]
        held, self._held, self._rows = self._held, [], 0
        self._waiting = [w for w in self._waiting if not w.read]
        if not windows:
            return
        self._work(windows, held)

    def _work(self, windows: list[Window], held: list[Held]) -> None:
        """Convert rows and hand the parts on; where an expression fails, window by window."""
        owner = {n: w for w in windows for n in w.extracts}
        try:
            lines, quarantine = self._convert(held, owner)
        except pl.exceptions.PolarsError as problem:
            if len(windows) == 1:
                windows[0].error = (
                    f"an expression of the format {self.converter.layout.name} fails on this "
                    f"extract: {problem} -> correct the format, or have the extract corrected"
                )
                return
            for window in windows:
                self._work([window], [h for h in held if h.extract in window.extracts])
            return
        for window in windows:
            if window.read and (wrong := self._retyped(window)):
                window.error = wrong
                continue
            numbers = list(window.extracts)
            part = Part(_of(lines, numbers), _of(quarantine, numbers))
            self.take(window, part, window.read)

    def _retyped(self, window: Window) -> str:
        """What is wrong with a window all of whose rows are known; empty where nothing is."""
        layout, dialect = self.converter.layout, self.converter.dialect
        return "; ".join(
            f"{extract.name}: {told}"
            for number, extract in window.extracts.items()
            for told in retyped(
                window.tallies[number].cells, layout, dialect, window.tallies[number].names
            )
        )

    def _convert(
        self, held: list[Held], owner: dict[int, Window]
    ) -> tuple[dict[int, pl.DataFrame], dict[int, pl.DataFrame]]:
        raw = [h.bound for h in held]
        sources = _sources(owner)
        empty = _no_rows(self.converter.layout)
        # One chunk each: Polars 2.1 panics in string functions on frames with empty chunks.
        rows = pl.concat([empty, *raw], rechunk=True)
        converted = self.converter.convert(rows, sources)
        # On a copy: when an expression fails half-way, nothing has been counted.
        tallies = {n: deepcopy(w.tallies[n]) for n, w in owner.items() if n in w.tallies}
        count(tallies, converted, self.converter.layout)
        torn = [(h.extract, t) for h in held for t in h.torn]
        for number, _ in torn:
            tallies[number].refused += 1
        for number, tally in tallies.items():
            owner[number].tallies[number] = tally
        files = _files(owner)
        quarantine = pl.concat(
            [
                refused_rows(converted.refused, held, files, self.converter.calendar_start),
                torn_rows(torn, files),
            ],
            rechunk=True,
        )
        if self.converter.layout.webhook is not None:
            quarantine = as_dead_letters(quarantine)
        members = {n: there for w in owner.values() for n, there in w.members.items()}
        return _split(converted.lines), _split(placed(quarantine, members))


def _split(frame: pl.DataFrame) -> dict[int, pl.DataFrame]:
    parts = frame.partition_by("extract", as_dict=True, maintain_order=True)
    return {-1: frame.clear()} | {int(key[0]): part for key, part in parts.items()}


def _of(parts: dict[int, pl.DataFrame], numbers: Sequence[int]) -> pl.DataFrame:
    found = [parts[n] for n in numbers if n in parts]
    if len(found) == 1:
        return found[0]
    return pl.concat(found, rechunk=True) if found else parts[-1]


def _no_rows(layout: Format) -> pl.DataFrame:
    schema = {"extract": pl.Int32(), ROW: pl.Int64()}
    return pl.DataFrame(schema=schema | dict.fromkeys(layout.headers(), pl.String()))


def _sources(owner: dict[int, Window]) -> pl.DataFrame:
    rows = [(n, w.feed, w.extracts[n].sha256, w.received_on) for n, w in owner.items()]
    return pl.DataFrame(rows, schema=SOURCES, orient="row")


def _files(owner: dict[int, Window]) -> pl.DataFrame:
    rows = [
        (n, w.feed, w.extracts[n].sha256, w.received_on, w.extracts[n].name)
        for n, w in owner.items()
    ]
    return pl.DataFrame(rows, schema={**SOURCES, "file": pl.String()}, orient="row")


def dialect_of(layout: Format, options: Mapping[str, str], *, iso_dates: bool = False) -> Dialect:
    """How a feed writes its cells: what its options say, else its format."""
    return Dialect(
        decimal=options.get("decimal", layout.reader.decimal),
        thousands=options.get("thousands", layout.reader.thousands),
        nulls=layout.reader.nulls,
        zone=options.get("zone"),
        formats={
            key.removeprefix(FORMAT_OPTION): value
            for key, value in options.items()
            if key.startswith(FORMAT_OPTION)
        },
        iso_dates=iso_dates,
    )


def converter_of(settings: Settings, feed: str, layout: Format) -> Converter:
    """The converter of a feed under a configuration."""
    around = Surroundings(
        entities=settings.entity_names(),
        entity=settings.feeds[feed].entity,
        accounts={
            (entity, account): account_class
            for entity, accounts in settings.accounts.items()
            for account, account_class in accounts.items()
        },
    )
    dialect = dialect_of(layout, settings.feeds[feed].options)
    return Converter(Plan(layout), around, dialect, settings.calendar.start)
