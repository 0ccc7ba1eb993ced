"""Extracts -> published lines, quarantine, duplicates and deliveries, window by window.

A window is worked again when one of its extracts, the format, the entities or the account map has
changed since it was published; otherwise nothing is read. A window that cannot be read keeps its
last good lines, its deliveries say why, and the others go on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

from tieout.errors import ExtractError
from tieout.extracts import AT_ONCE, current
from tieout.formats.catalogue import format_of
from tieout.formats.reading import Request
from tieout.lines import deliveries, sequence
from tieout.lines.delivery import Delivery, Source
from tieout.lines.feedrun import FeedRun, converter_of
from tieout.lines.gone import gone
from tieout.lines.manifest import Manifest, manifest_of_extract
from tieout.lines.report import (
    WindowReport,
    failed_report,
    published_report,
    unchanged_report,
)
from tieout.lines.unread import unread, unread_windows
from tieout.lines.window import TABLES, Part, Sink, Window, delivery_json
from tieout.periods import window_day
from tieout.register.records import NewPublication, TakenExtract
from tieout.settings import Settings
from tieout.workplace import Workplace

__all__ = ["Progress", "WindowReport", "refresh_lines"]

Progress = Callable[[int, int], None]
"""Called with windows done and windows in all."""

RULES = "3"
"""Raised when the code makes other lines of the same extracts: published windows are worked
again.
"""
_TOGETHER = 256
"""Windows published in one transaction."""


def refresh_lines(
    workplace: Workplace,
    feed: str,
    windows: Sequence[str],
    *,
    run_id: str,
    again: bool = False,
    progress: Progress | None = None,
) -> list[WindowReport]:
    """Bring the lines of windows of a feed up to date with the extracts taken in.

    `again` works windows in which nothing has changed, too. Returns a report for each window, in
    order of window. Raises ConfigurationError for a format that cannot be used, FencedError when a
    newer run has taken over (then it publishes what counts).
    """
    wanted = sorted(set(windows))
    layout = format_of(workplace.settings, feed)
    there: dict[str, list[TakenExtract]] = {w: [] for w in wanted}
    for extract in current(workplace, feed, wanted):
        there[extract.window].append(extract)
    heads = workplace.register.heads(f"lines/{feed}", wanted)
    marks = _fingerprints(workplace.settings, feed, layout.fingerprint(), there)
    pending = unread_windows(workplace, feed, wanted)
    todo = [
        w
        for w in wanted
        if again or w not in heads or w in pending or heads[w].totals["fingerprint"] != marks[w]
    ]
    reports = {w: unchanged_report(feed, w, heads[w]) for w in wanted if w not in todo}
    for start in range(0, len(todo), _TOGETHER):
        some = todo[start : start + _TOGETHER]
        work = _Work(workplace, feed, run_id, {w: marks[w] for w in some})
        reports |= work.do({w: there[w] for w in some})
        for window in heads.keys() & work.made.keys():
            # A sender that takes lines back seldom says so.
            if told := gone(workplace.store, heads[window], work.made[window][0]):
                known = reports[window]
                reports[window] = replace(known, notes=(*known.notes, told))
        if progress is not None:
            progress(start + len(some), len(todo))
    if layout.controls.sequence is not None or (layout.webhook and layout.webhook.sequence):
        for window, rows in sequence.republish(workplace, feed, run_id=run_id).items():
            if window in reports:
                known = reports[window]
                shown = [delivery_json(row) for row in rows]
                reports[window] = replace(known, deliveries=[*known.deliveries, *shown])
    return [reports[w] for w in wanted]


class _Work:
    """Windows worked and published together."""

    def __init__(self, workplace: Workplace, feed: str, run_id: str, marks: dict[str, str]) -> None:
        self.workplace, self.feed, self.run_id, self.marks = workplace, feed, run_id, marks
        self.layout = format_of(workplace.settings, feed)
        self.converter = converter_of(workplace.settings, feed, self.layout)
        self.request = Request(
            self.layout, workplace.settings.feeds[feed].options, workplace.settings.limits
        )
        self.sinks: dict[str, Sink] = {}
        self.again: list[Window] = []
        self.made: dict[str, list[NewPublication]] = {}
        self._writing: dict[str, Future[list[NewPublication]]] = {}
        self._rows = 0

    def do(self, extracts: dict[str, list[TakenExtract]]) -> dict[str, WindowReport]:
        """Read, convert, publish."""
        tables = [f"{table}/{self.feed}" for table in TABLES]
        epochs = self.workplace.register.take_epochs_of(tables, list(extracts), self.run_id)
        windows = self._windows(extracts)
        try:
            # Bringing a file to disk is waiting: many windows wait together.
            with ThreadPoolExecutor(AT_ONCE) as self._pool:
                self._run(windows)
                if self.again:
                    self._run(self._once_more())
                self._collect()
        finally:
            for key, sink in self.sinks.items():
                if key not in self.made:
                    sink.abandon()
        failed = {w.key: w for w in windows if w.error is not None}
        errors = {w.key: str(w.error) for w in failed.values()}
        new = [p for key in sorted(self.made) for p in self.made[key]]
        new += unread(self.workplace, self.feed, errors)
        self.workplace.register.publish(
            new,
            {(p.table, p.partition): epochs[p.table, p.partition] for p in new},
            run_id=self.run_id,
        )
        return {
            key: failed_report(self.feed, failed[key])
            if key in failed
            else published_report(self.feed, key, self.made[key][0])
            for key in extracts
        }

    def _windows(self, extracts: dict[str, list[TakenExtract]]) -> list[Window]:
        windows, number = [], 0
        for key, there in extracts.items():
            numbered = dict(enumerate(there, number))
            number += len(there)
            windows.append(Window(key, self.feed, self.layout.kind, window_day(key), numbered))
        return windows

    def _run(self, windows: Sequence[Window]) -> None:
        for window in windows:
            self.sinks[window.key] = Sink(window, self.workplace.store)
            self._check_manifests(window)
        readable = [w for w in windows if w.error is None]
        locate = self.workplace.store.evidence_path
        FeedRun(self.converter, self.request, locate, self._take).run(readable)

    def _take(self, window: Window, part: Part, last: bool) -> None:
        sink = self.sinks[window.key]
        if not sink.take(part, last=last):
            window.suspects = sink.twice()
            sink.abandon()
            self.again.append(window)
            return
        if last:
            self._compare(window)
            job = self._pool.submit(sink.publications, self.marks[window.key])
            self._writing[window.key] = job
            self._rows += sink.rows
            if self._rows > self.request.limits.batch_rows:
                self._collect()

    def _collect(self) -> None:
        """Wait for the files that are being written."""
        for key, job in self._writing.items():
            self.made[key] = job.result()
        self._writing, self._rows = {}, 0

    def _once_more(self) -> list[Window]:
        """Windows to be read a second time, now that their repeated ids are known."""
        windows = [
            Window(w.key, w.feed, w.kind, w.received_on, w.extracts, suspects=w.suspects)
            for w in self.again
        ]
        self.again = []
        return windows

    def _nothing(self, window: Window) -> Delivery:
        """What to say of a window that nothing was delivered for."""
        part = self.workplace.settings.feeds[self.feed]
        if part.is_overdue(window.key, datetime.now(UTC)):
            return deliveries.missing(self.feed, window.key, window.received_on)
        why_not = part.expected.why_not(window.key) if part.names_windows else None
        due = part.due(window.key) if part.names_windows else None
        return deliveries.awaited(self.feed, window.key, window.received_on, due, why_not)

    def _compare(self, window: Window) -> None:
        """Hold every extract of a window to its control totals."""
        settings = self.workplace.settings
        if not window.extracts:
            window.deliveries.append(self._nothing(window))
        for number, extract in window.extracts.items():
            source = Source(self.feed, window.received_on, extract.sha256, extract.name)
            tally = window.tallies[number]
            given = self._manifest(extract)
            stated = window.stated.get(number, [])
            found = deliveries.compare(
                source, tally, self.layout, given, stated, settings.entity_names()
            )
            window.deliveries.append(deliveries.arrived(source, window.key, tally))
            window.deliveries += found
            required = settings.feeds[self.feed].control_totals == "required"
            if required and not any(d["check"] in ("control_total", "count") for d in found):
                window.deliveries.append(deliveries.no_control_total(source))

    def _manifest(self, extract: TakenExtract) -> Manifest | None:
        """What stands beside an extract. Raises ExtractError."""
        return manifest_of_extract(extract, self.workplace.settings.entity_names())

    def _check_manifests(self, window: Window) -> None:
        """An extract whose manifest is wrong, or about another file, is not read."""
        for extract in window.extracts.values():
            try:
                self._manifest(extract)
            except ExtractError as problem:
                window.error = str(problem)


def _fingerprints(
    settings: Settings, feed: str, layout: str, current: dict[str, list[TakenExtract]]
) -> dict[str, str]:
    """What the lines of each window are made from: two equal fingerprints give equal lines."""
    part, now = settings.feeds[feed], datetime.now(UTC)
    shared = [
        RULES,
        layout,
        part.entity,
        sorted(part.options.items()),
        part.control_totals,
        sorted(settings.entity_names().items()),
        sorted((e, sorted(a.items())) for e, a in settings.accounts.items()),
        settings.calendar.start.isoformat(),
    ]
    common = hashlib.sha256(json.dumps(shared).encode()).hexdigest()
    return {
        window: hashlib.sha256(
            json.dumps(
                [
                    common,
                    [[e.name, e.sha256, e.manifest] for e in extracts],
                    # A window becomes overdue by the passing of time alone.
                    not extracts and part.is_overdue(window, now),
                    None if extracts else part.expected.why_not(window),
                ]
            ).encode()
        ).hexdigest()
        for window, extracts in current.items()
    }
